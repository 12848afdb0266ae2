package stream

import (
	"encoding/binary"
	"encoding/hex"
	"math"
)

// The shape of a text on disk. A text that is a UUID in its canonical lower
// case takes 17 bytes instead of 37: nearly every id is one.
const (
	textEmpty = 0
	textUUID  = 1 // 16 bytes follow
	// Any greater number is the length plus one.
)

// uuidLen is the length of a UUID as text (RFC 9562, section 4).
const uuidLen = 36

// appendText appends a text in its short form.
func appendText(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, textEmpty)
	}
	if len(s) == uuidLen {
		if u, ok := packUUID(s); ok {
			return append(append(dst, textUUID), u[:]...)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(s))+1)
	return append(dst, s...)
}

// appendBytes appends a length and the bytes.
func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// appendFloat appends the eight bytes of f.
func appendFloat(dst []byte, f float64) []byte {
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
}

// packUUID returns the sixteen bytes of a canonical UUID, and false for any
// other text: unpackUUID must give back exactly what came in.
func packUUID(s string) (u [16]byte, ok bool) {
	if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, false
	}
	n := 0
	for i := 0; i < uuidLen; i += 2 {
		if s[i] == '-' {
			i++
		}
		hi, lo := nibble(s[i]), nibble(s[i+1])
		if hi > 15 || lo > 15 {
			return u, false
		}
		u[n] = hi<<4 | lo
		n++
	}
	return u, true
}

// nibble returns the value of a lower-case hexadecimal digit, 255 for any other
// character.
func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// unpackUUID writes the canonical text.
func unpackUUID(u []byte) string {
	var t [uuidLen]byte
	hex.Encode(t[0:8], u[0:4])
	hex.Encode(t[9:13], u[4:6])
	hex.Encode(t[14:18], u[6:8])
	hex.Encode(t[19:23], u[8:10])
	hex.Encode(t[24:36], u[10:16])
	t[8], t[13], t[18], t[23] = '-', '-', '-', '-'
	return string(t[:])
}

// A reader takes fields off a byte slice. After the first field that is not
// there it is bad, and every further field is zero: callers check once, at the
// end of a part.
type reader struct {
	b     []byte
	bad   bool
	words *words
}

func (r *reader) fail() {
	r.bad = true
	r.b = nil
}

func (r *reader) byte() byte {
	if len(r.b) < 1 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		c := r.b[0]
		r.b = r.b[1:]
		return uint64(c)
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1) // #nosec G115 -- zigzag
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) float() float64 {
	if b := r.take(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}

// take returns the next n bytes without copying them, nil when there are fewer.
func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// bytes returns a length-prefixed slice of the input, nil when it is empty.
func (r *reader) bytes() []byte {
	b := r.take(r.uvarint())
	if len(b) == 0 {
		return nil
	}
	return b
}

// count returns how many items follow, each of which takes at least size bytes:
// a number that the rest of the input cannot hold is a damage, found before
// memory is taken for it.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/size) {
		r.fail()
		return 0
	}
	return int(n) // #nosec G115 -- bounded by the input
}

// text returns a text that is likely to be seen only once.
func (r *reader) text() string {
	switch n := r.uvarint(); n {
	case textEmpty:
		return ""
	case textUUID:
		if b := r.take(16); b != nil {
			return unpackUUID(b)
		}
		return ""
	default:
		return string(r.take(n - 1))
	}
}

// word returns a text that is likely to come again: an id of a device, a
// channel, a subject.
func (r *reader) word() string {
	switch n := r.uvarint(); n {
	case textEmpty:
		return ""
	case textUUID:
		if b := r.take(16); b != nil {
			return r.words.uuid([16]byte(b))
		}
		return ""
	default:
		return r.words.word(r.take(n - 1))
	}
}

// words keeps one string for each text that comes again and again. It is
// bounded: when it is full it starts anew, so that what is no longer used goes.
type words struct {
	texts map[string]string
	uuids map[[16]byte]string
}

const (
	wordsMax = 1 << 16 // how many are kept
	wordMax  = 128     // longer ones are not
)

func newWords() *words {
	return &words{texts: map[string]string{}, uuids: map[[16]byte]string{}}
}

func (w *words) word(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := w.texts[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(s) <= wordMax {
		if len(w.texts) >= wordsMax {
			clear(w.texts)
		}
		w.texts[s] = s
	}
	return s
}

func (w *words) uuid(u [16]byte) string {
	if s, ok := w.uuids[u]; ok {
		return s
	}
	if len(w.uuids) >= wordsMax {
		clear(w.uuids)
	}
	s := unpackUUID(u[:])
	w.uuids[u] = s
	return s
}
