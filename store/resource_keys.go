package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/vigil-iomt/vigil"
)

// A span's class is in the last bits of its parameter. Dates say how long they
// are by how they are written: those of a usual length are kept under a class of
// that length, where the order of their beginnings is that of their ends. The
// others have two rows, one by lo, one by hi.
const (
	classBits  = 7
	classMixed = 5 // by lo
	classEnds  = 7 // by hi; the column lo holds it, and hi holds lo
)

// classWidths are the lengths of the classes below classMixed: an instant, a
// millisecond, a second, a minute, a day.
var classWidths = [classMixed]int64{0, 999, 999_999, 59_999_999, 86_399_999_999}

// classOf returns the class of a span.
func classOf(s vigil.ResourceSpan) uint64 {
	if width := uint64(s.Hi) - uint64(s.Lo); width <= uint64(classWidths[classMixed-1]) { // #nosec G115 -- as unsigned, it cannot overflow
		for c, w := range classWidths {
			if uint64(w) == width { // #nosec G115 -- positive
				return uint64(c) // #nosec G115 -- small
			}
		}
	}
	return classMixed
}

// typeToken is the token of every resource of a type.
func typeToken(typ string) uint64 { return xxhash.Sum64String("resource type\x00" + typ) }

// tidyKeys returns keys in order, each once, with parameters without a class.
func tidyKeys(k vigil.ResourceKeys) (vigil.ResourceKeys, error) {
	k.Tokens = slices.Compact(slices.Sorted(slices.Values(k.Tokens)))
	k.Spans = slices.Clone(k.Spans)
	for i := range k.Spans {
		s := &k.Spans[i]
		s.Param &^= classBits
		if s.Hi < s.Lo {
			return k, vigil.Errorf(vigil.Invalid, "a value ends before it begins")
		}
	}
	slices.SortFunc(k.Spans, func(a, b vigil.ResourceSpan) int {
		return cmp.Or(cmp.Compare(a.Param, b.Param), cmp.Compare(a.Lo, b.Lo), cmp.Compare(a.Hi, b.Hi))
	})
	k.Spans = slices.Compact(k.Spans)
	k.Lines = slices.Clone(k.Lines)
	slices.SortFunc(k.Lines, func(a, b vigil.ResourceLine) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.At, b.At))
	})
	k.Lines = slices.Compact(k.Lines)
	return k, nil
}

// keysV1 is the first byte of packed keys.
const keysV1 = 1

// packKeys returns the stored form of tidy keys.
func packKeys(k *vigil.ResourceKeys) []byte {
	if len(k.Tokens)+len(k.Spans)+len(k.Lines) == 0 {
		return []byte{}
	}
	b := make([]byte, 0, 4+8*len(k.Tokens)+24*len(k.Spans)+17*len(k.Lines))
	b = binary.AppendUvarint(append(b, keysV1), uint64(len(k.Tokens)))
	for _, t := range k.Tokens {
		b = binary.LittleEndian.AppendUint64(b, t)
	}
	b = binary.AppendUvarint(b, uint64(len(k.Spans)))
	for _, s := range k.Spans {
		class := classOf(s)
		b = binary.LittleEndian.AppendUint64(b, s.Param|class)
		b = binary.LittleEndian.AppendUint64(b, uint64(s.Lo)) // #nosec G115 -- read back as it was
		if class == classMixed {
			b = binary.LittleEndian.AppendUint64(b, uint64(s.Hi)) // #nosec G115 -- read back as it was
		}
	}
	b = binary.AppendUvarint(b, uint64(len(k.Lines)))
	for _, l := range k.Lines {
		b = binary.LittleEndian.AppendUint64(b, l.Line)
		// Most places in timelines are one of the dates.
		same := slices.IndexFunc(k.Spans, func(s vigil.ResourceSpan) bool { return s.Lo == int64(l.At) })
		b = binary.AppendUvarint(b, uint64(same+1)) // #nosec G115 -- from 0 on
		if same < 0 {
			b = binary.LittleEndian.AppendUint64(b, uint64(l.At)) // #nosec G115 -- read back as it was
		}
	}
	return b
}

var errKeys = errors.New("keys are cut off")

// A keyReader reads packed keys; after the first failure it gives zeros.
type keyReader struct {
	b   []byte
	bad bool
}

// count reads how many follow, each of which has at least so many bytes.
func (r *keyReader) count(least int) int {
	n, k := binary.Uvarint(r.b)
	if k <= 0 || n > uint64(len(r.b)-k)/uint64(least) { // #nosec G115 -- positive
		r.bad = true
		return 0
	}
	r.b = r.b[k:]
	return int(n) // #nosec G115 -- bounded
}

func (r *keyReader) word() uint64 {
	if len(r.b) < 8 {
		r.bad = true
		return 0
	}
	w := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return w
}

// unpackKeys reads packed keys into k, whose memory is used again.
func unpackKeys(k *vigil.ResourceKeys, b []byte) error {
	k.Tokens, k.Spans, k.Lines = k.Tokens[:0], k.Spans[:0], k.Lines[:0]
	if len(b) == 0 {
		return nil
	}
	if b[0] != keysV1 {
		return errors.New("keys have an unknown version")
	}
	r := keyReader{b: b[1:]}
	for range r.count(8) {
		k.Tokens = append(k.Tokens, r.word())
	}
	for range r.count(16) {
		param, lo := r.word(), int64(r.word()) // #nosec G115 -- written from this type
		s := vigil.ResourceSpan{Param: param &^ classBits, Lo: lo}
		if class := param & classBits; class < classMixed {
			s.Hi = lo + classWidths[class]
		} else {
			s.Hi = int64(r.word()) // #nosec G115 -- written from this type
		}
		k.Spans = append(k.Spans, s)
	}
	for range r.count(9) {
		l := vigil.ResourceLine{Line: r.word()}
		same, n := binary.Uvarint(r.b)
		if n <= 0 || same > uint64(len(k.Spans)) {
			return errKeys
		}
		r.b = r.b[n:]
		if same > 0 {
			l.At = vigil.Instant(k.Spans[same-1].Lo)
		} else {
			l.At = vigil.Instant(r.word()) // #nosec G115 -- written from this type
		}
		k.Lines = append(k.Lines, l)
	}
	if r.bad || len(r.b) > 0 {
		return errKeys
	}
	return nil
}

// blockBits say how many numbers one posting row may cover.
const blockBits = 10

// appendMore appends the numbers of a posting behind its first.
func appendMore(dst []byte, rids []int64) []byte {
	for i := 1; i < len(rids); i++ {
		dst = binary.AppendUvarint(dst, uint64(rids[i]-rids[i-1])) // #nosec G115 -- ascending
	}
	return dst
}

// appendRids appends the numbers of a posting row.
func appendRids(dst []int64, rid int64, more []byte) ([]int64, error) {
	dst = append(dst, rid)
	for len(more) > 0 {
		d, n := binary.Uvarint(more)
		if n <= 0 || d == 0 || d >= 1<<blockBits {
			return dst, errors.New("posting is damaged")
		}
		more = more[n:]
		rid += int64(d) // #nosec G115 -- small
		dst = append(dst, rid)
	}
	return dst, nil
}
