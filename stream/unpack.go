package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/s2"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/internal/seal"
)

// A damage gathers what is wrong with a frame while it is read.
type damage struct {
	err   error
	lost  []Lost
	whole bool // nothing of the frame could be read
}

// note keeps the first cause.
func (d *damage) note(err error) {
	if d.err == nil {
		d.err = err
	}
}

var (
	errShort     = errors.New("shorter than its header says")
	errVersion   = errors.New("a format version that this program does not know")
	errFrameCRC  = errors.New("the frame's checksum does not match")
	errDict      = errors.New("the metric dictionary does not read")
	errDirectory = errors.New("the directory of subjects does not read")
	errSection   = errors.New("a section does not read")
	errLost      = errors.New("the frame was lost from the disk after it had been synced")
)

// readHead reads the part of a frame that is never sealed.
func readHead(b []byte) (frameHead, error) {
	if len(b) < headerLen {
		return frameHead{}, errShort
	}
	if b[offVersion] != frameVersion {
		return frameHead{}, fmt.Errorf("%w: %d", errVersion, b[offVersion])
	}
	le := binary.LittleEndian
	h := frameHead{
		flags: b[offFlags], partition: int(le.Uint16(b[offPartition:])), producer: le.Uint64(b[offProducer:]),
		first: le.Uint64(b[offFirst:]), at: vigil.Instant(le.Uint64(b[offAt:])), // #nosec G115 -- as the bits
	}
	// Every record takes more than a byte, packed or not: its checksum does
	// not shrink.
	n := le.Uint32(b[offCount:])
	if n > recordsMax || uint64(n) > uint64(len(b)) {
		return h, errShort
	}
	h.count = int(n)
	return h, nil
}

// frame reads a whole frame. What does not read is named in the damage, which is
// nil for a sound frame; the rest is in the records, in their places, with a
// zero Record (Kind 0) in the place of each that is lost.
func (d *decoder) frame(b []byte, s seal.Sealer) (frameHead, []vigil.Record, *damage) {
	h, err := readHead(b)
	if err != nil {
		return h, nil, &damage{err: err, whole: true}
	}
	dam := &damage{}
	crc := crcTable()
	le := binary.LittleEndian
	if le.Uint32(b[offCRC:]) != frameCRC(crc, b) {
		dam.note(errFrameCRC)
	}
	if h.flags&flagLost != 0 {
		dam.note(errLost)
		dam.whole = true
		return h, nil, dam
	}
	rest := reader{b: b[headerLen:], words: d.words}
	dict := rest.take(uint64(le.Uint32(b[offDict:])))
	directory := rest.take(uint64(le.Uint32(b[offDirectory:])))
	sections := le.Uint32(b[offSections:])
	if rest.bad || sections > uint32(len(rest.b)/sectionHead) { // #nosec G115 -- shorter than a message
		return h, nil, &damage{err: errShort, whole: true}
	}
	if crc32.Checksum(dict, crc) != le.Uint32(b[offDictCRC:]) || !d.dictionary(dict) {
		return h, nil, &damage{err: errDict, whole: true, lost: d.readDirectory(directory, s, h.at, int(sections), dam)}
	}
	d.samples = frameSamplesMax
	owners := d.readDirectory(directory, s, h.at, int(sections), dam)
	u := unpacking{d: d, sealer: s, head: h, crc: checksum{table: crc}, dam: dam, records: make([]vigil.Record, h.count)}
	u.plain = make([]byte, 0, len(rest.b))
	for i := range int(sections) {
		u.section(&rest, owners, i)
	}
	if rest.bad || len(rest.b) > 0 || (dam.err == nil && u.read != h.count) {
		dam.note(errShort)
	}
	if dam.err == nil {
		dam = nil
	}
	return h, u.records, dam
}

// dictionary reads what the numbers of this frame mean.
func (d *decoder) dictionary(b []byte) bool {
	clear(d.known)
	d.known = d.known[:0]
	r := reader{b: b}
	for len(r.b) > 0 && !r.bad {
		id, entry := r.uvarint(), r.bytes()
		if r.bad || id == 0 || id >= symbolsMax {
			return false
		}
		s, err := d.table.read(entry)
		if err != nil {
			return false
		}
		for uint64(len(d.known)) <= id {
			d.known = append(d.known, nil)
		}
		d.known[id] = s
	}
	return !r.bad
}

// readDirectory returns whose the sections are; without a directory nobody
// knows, and the list is empty.
func (d *decoder) readDirectory(sealed []byte, s seal.Sealer, at vigil.Instant, n int, dam *damage) []Lost {
	b, err := s.Open(nil, sealed)
	if err != nil {
		dam.note(fmt.Errorf("%w: %w", errDirectory, err))
		return nil
	}
	r := reader{b: b, words: d.words}
	owners := make([]Lost, 0, n)
	for len(r.b) > 0 && len(owners) < n {
		l := Lost{Subject: readSubject(&r), Records: int(r.uvarint() & (recordsMax<<1 - 1))} // #nosec G115 -- masked
		l.During.From = at + vigil.Instant(r.varint())
		l.During.To = l.During.From + vigil.Instant(r.varint())
		if r.bad {
			break
		}
		owners = append(owners, l)
	}
	if r.bad || len(r.b) > 0 || len(owners) != n {
		dam.note(errDirectory)
	}
	return owners
}

// An unpacking is the reading of one frame's sections.
type unpacking struct {
	d       *decoder
	sealer  seal.Sealer
	head    frameHead
	crc     checksum
	dam     *damage
	records []vigil.Record
	plain   []byte // what the records' payloads point into
	read    int
	// unpacked is how many bytes the packed sections have become.
	unpacked int
}

// section reads the next section and notes what of it is lost.
func (u *unpacking) section(rest *reader, owners []Lost, i int) {
	size := rest.uint32()
	pack := rest.byte()
	sealed := rest.take(uint64(size))
	if rest.bad {
		u.lost(owners, i, 0, errShort)
		return
	}
	b, err := u.open(sealed, pack)
	if err != nil {
		u.lost(owners, i, 0, err)
		return
	}
	r := reader{b: b, words: u.d.words}
	subject := readSubject(&r)
	whose := crc32.Checksum(b[:len(b)-len(r.b)], u.crc.table)
	good, bad := u.body(&r, subject, whose)
	u.read += good
	switch {
	case r.bad:
		u.lost(owners, i, good, errSection)
	case bad > 0:
		u.lost(owners, i, good, errRecord)
	}
}

// open returns the plain bytes of a section.
func (u *unpacking) open(sealed []byte, pack byte) ([]byte, error) {
	at := len(u.plain)
	b, err := u.sealer.Open(u.plain, sealed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSection, err)
	}
	u.plain, b = b, b[at:len(b):len(b)]
	switch pack {
	case packNone:
		return b, nil
	case packS2:
		n, err := s2.DecodedLen(b)
		if err != nil || n > plainMax-u.unpacked {
			return nil, errSection
		}
		u.unpacked += n
		if b, err = s2.Decode(make([]byte, n), b); err != nil {
			return nil, fmt.Errorf("%w: %w", errSection, err)
		}
		return b, nil
	}
	return nil, fmt.Errorf("%w: packing %d", errSection, pack)
}

// body reads a section's records into their places. It returns how many were
// read and how many were found damaged.
func (u *unpacking) body(r *reader, subject vigil.Subject, whose uint32) (good, bad int) {
	at := uint64(0)
	for len(r.b) > 0 && !r.bad {
		at += r.uvarint()
		size := r.uvarint()
		sum := r.uint32()
		body := r.take(size)
		if r.bad || at >= uint64(len(u.records)) {
			r.fail()
			break
		}
		rec := &u.records[at]
		if rec.Kind != 0 || recordCRC(&u.crc, whose, u.head.first+at, body) != sum || u.d.record(rec, body, subject) != nil {
			bad++
		} else {
			good++
		}
		at++
	}
	return good, bad
}

// lost notes what a section that does not read whole has lost: by the directory
// where it reads.
func (u *unpacking) lost(owners []Lost, i, good int, err error) {
	u.dam.note(err)
	if i >= len(owners) {
		return
	}
	l := owners[i]
	if l.Records -= good; l.Records > 0 {
		u.dam.lost = append(u.dam.lost, l)
	}
}
