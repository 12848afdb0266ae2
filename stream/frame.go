package stream

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/internal/seal"
)

// frameVersion is the first byte of a frame.
const frameVersion = 1

// The header's fields, all little-endian; doc.go has the table.
const (
	offVersion   = 0
	offFlags     = 1
	offPartition = 2
	offCRC       = 4
	offProducer  = 8
	offFirst     = 16
	offAt        = 24
	offCount     = 32
	offSections  = 36
	offDict      = 40
	offDictCRC   = 44
	offDirectory = 48
	headerLen    = 52
)

// flagLost marks a frame that holds nothing and stands where a damaged journal
// lost one, so that no sequence is given twice.
const flagLost = 1

// The ways a section can be packed before it is sealed.
const (
	packNone = 0
	packS2   = 1
)

const (
	// recordsMax is how many records a frame holds at most: a journal
	// position has twenty bits for the index in the frame.
	recordsMax = 1 << 20
	// frameSamplesMax is how many wave samples a frame holds at most.
	frameSamplesMax = 16 << 20
	// plainMax is how many bytes the sections of a frame may unpack to.
	plainMax = 32 << 20
	// packMin is the size below which packing a section is not tried.
	packMin = 192
	// sectionHead is the length and the packing in front of a section.
	sectionHead = 5
)

// systemSubject is the name that what belongs to no single subject is sealed
// under: the day's key is destroyed when the raw messages of the day expire.
func systemSubject(at vigil.Instant) string {
	return "system/" + at.Time().Format(time.DateOnly)
}

// crcTable returns the Castagnoli table that every checksum on disk uses.
func crcTable() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// recordCRC is the checksum of a record: over whose it is (the checksum of the
// section's subject), its producer's sequence and its bytes, so that a record in
// the wrong place, or of the wrong patient, is found, too.
func recordCRC(c *checksum, whose uint32, seq uint64, body []byte) uint32 {
	binary.LittleEndian.PutUint32(c.head[:], whose)
	binary.LittleEndian.PutUint64(c.head[4:], seq)
	return crc32.Update(crc32.Update(0, c.table, c.head[:]), c.table, body)
}

// A checksum is the table and the room that recordCRC needs.
type checksum struct {
	table *crc32.Table
	head  [12]byte
}

// A frameHead is what stands readable at the beginning of a frame.
type frameHead struct {
	flags     byte
	partition int
	producer  uint64
	first     uint64 // the producer's sequence of the first record
	at        vigil.Instant
	count     int
}

// A part is one record on its way into a frame.
type part struct {
	subject vigil.Subject
	body    []byte
	piece   piece
	next    int32 // of the same section; 0 is none, because part 0 is always a section's first
}

// A section is the chain of the records of one subject.
type section struct {
	subject     vigil.Subject // none for the system's
	first, last int32
	count       int
	taken       vigil.Interval
}

// A packer builds frames. It keeps its memory from frame to frame and is for
// one goroutine at a time.
type packer struct {
	sealer   seal.Sealer
	symbols  *symbols
	crc      checksum
	parts    []part
	sections []section
	index    map[vigil.Subject]int
	used     []uint32 // symbols of this frame
	stamps   []uint32 // by symbol: the frame that used it last
	stamp    uint32
	frame    []byte
	plain    []byte
	packed   []byte
}

func newPacker(t *symbols, s seal.Sealer) *packer {
	return &packer{symbols: t, sealer: s, crc: checksum{table: crcTable()}, index: map[vigil.Subject]int{}}
}

// begin forgets the frame before.
func (p *packer) begin() {
	clear(p.parts)
	p.parts, p.sections, p.used = p.parts[:0], p.sections[:0], p.used[:0]
	clear(p.index)
	p.stamp++
}

// use notes the symbols that the records coming next need.
func (p *packer) use(ids []uint32) {
	for _, id := range ids {
		for int(id) >= len(p.stamps) {
			p.stamps = append(p.stamps, 0)
		}
		if p.stamps[id] != p.stamp {
			p.stamps[id] = p.stamp
			p.used = append(p.used, id)
		}
	}
}

// add puts a record behind the others of its section.
func (p *packer) add(subject vigil.Subject, body []byte, pc piece) {
	if pc.system {
		subject = vigil.Subject{}
	}
	n := int32(len(p.parts)) // #nosec G115 -- at most recordsMax
	p.parts = append(p.parts, part{subject: subject, body: body, piece: pc})
	i, ok := p.index[subject]
	if !ok {
		p.index[subject] = len(p.sections)
		p.sections = append(p.sections, section{subject: subject, first: n, last: n, count: 1, taken: pc.taken})
		return
	}
	s := &p.sections[i]
	p.parts[s.last].next = n
	s.last = n
	s.count++
	s.taken.From = min(s.taken.From, pc.taken.From)
	s.taken.To = max(s.taken.To, pc.taken.To)
}

// finish returns the frame. It is good until the next begin.
func (p *packer) finish(h frameHead) []byte {
	h.count = len(p.parts)
	var head [headerLen]byte
	p.frame = append(p.frame[:0], head[:]...)
	for _, id := range p.used {
		s := p.symbols.get(id)
		p.frame = binary.AppendUvarint(p.frame, uint64(id))
		p.frame = appendBytes(p.frame, s.entry)
	}
	dict := len(p.frame) - headerLen
	p.frame = p.sealer.Seal(p.frame, systemSubject(h.at), p.directory(h.at))
	directory := len(p.frame) - headerLen - dict
	for i := range p.sections {
		p.section(&p.sections[i], h)
	}
	f := p.frame
	f[offVersion], f[offFlags] = frameVersion, h.flags
	le := binary.LittleEndian
	le.PutUint16(f[offPartition:], uint16(h.partition)) // #nosec G115 -- checked when the journal is opened
	le.PutUint64(f[offProducer:], h.producer)
	le.PutUint64(f[offFirst:], h.first)
	le.PutUint64(f[offAt:], uint64(h.at))                  // #nosec G115 -- as the bits
	le.PutUint32(f[offCount:], uint32(h.count))            // #nosec G115 -- at most recordsMax
	le.PutUint32(f[offSections:], uint32(len(p.sections))) // #nosec G115 -- at most recordsMax
	le.PutUint32(f[offDict:], uint32(dict))                // #nosec G115 -- part of a frame
	le.PutUint32(f[offDictCRC:], crc32.Checksum(f[headerLen:headerLen+dict], p.crc.table))
	le.PutUint32(f[offDirectory:], uint32(directory)) // #nosec G115 -- part of a frame
	le.PutUint32(f[offCRC:], frameCRC(p.crc.table, f))
	return f
}

// frameCRC is the checksum of everything but itself.
func frameCRC(t *crc32.Table, f []byte) uint32 {
	return crc32.Update(crc32.Checksum(f[:offCRC], t), t, f[offCRC+4:])
}

// directory says of each section whose it is, how many records it holds and
// what time they speak of: it names what is lost when a section no longer
// reads.
func (p *packer) directory(at vigil.Instant) []byte {
	b := p.plain[:0]
	for i := range p.sections {
		s := &p.sections[i]
		b = appendSubject(b, s.subject)
		b = binary.AppendUvarint(b, uint64(s.count)) // #nosec G115 -- a count
		b = binary.AppendVarint(b, int64(s.taken.From-at))
		b = binary.AppendVarint(b, int64(s.taken.To-s.taken.From))
	}
	p.plain = b
	return b
}

// section appends one subject's records, packed and sealed.
func (p *packer) section(s *section, h frameHead) {
	b := appendSubject(p.plain[:0], s.subject)
	whose := crc32.Checksum(b, p.crc.table)
	before := int32(-1)
	for n := s.first; ; n = p.parts[n].next {
		body := p.parts[n].body
		b = binary.AppendUvarint(b, uint64(n-before-1)) // #nosec G115 -- n grows
		before = n
		b = binary.AppendUvarint(b, uint64(len(body)))
		b = binary.LittleEndian.AppendUint32(b, recordCRC(&p.crc, whose, h.first+uint64(n), body)) // #nosec G115 -- n is not negative
		b = append(b, body...)
		if n == s.last {
			break
		}
	}
	p.plain = b
	pack := byte(packNone)
	if len(b) >= packMin {
		if need := s2.MaxEncodedLen(len(b)); cap(p.packed) < need {
			p.packed = make([]byte, need)
		}
		if out := s2.Encode(p.packed[:cap(p.packed)], b); len(out) < len(b)-len(b)/16 {
			b, pack = out, packS2
		}
	}
	key := s.subject.String()
	if key == "" {
		key = systemSubject(h.at)
	}
	at := len(p.frame)
	p.frame = append(p.frame, 0, 0, 0, 0, pack)
	p.frame = p.sealer.Seal(p.frame, key, b)
	binary.LittleEndian.PutUint32(p.frame[at:], uint32(len(p.frame)-at-sectionHead)) // #nosec G115 -- part of a frame
}
