package view

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/vigil-iomt/vigil/fhir/path"
)

// Physical types of Parquet.
const (
	parquetBool   = 0
	parquetInt32  = 1
	parquetInt64  = 2
	parquetDouble = 5
	parquetBytes  = 6
)

const (
	parquetMagic = "PAR1"
	codecZSTD    = 6
	// groupSize is after how many bytes or rows a row group is written.
	groupSize = 16 << 20
	groupRows = 1 << 17
)

// A chunk gathers the values of one column for a row group.
type chunk struct {
	Column
	physical int32
	instant  bool // microseconds since 1970
	values   []byte
	bits     int // written, of booleans
	def, rep levels
	count    int
}

// A parquetWriter writes the format of Apache Parquet: columns one after the
// other, compressed, with what is where at the end.
type parquetWriter struct {
	w      io.Writer
	zip    *zstd.Encoder
	chunks []chunk
	at     int64
	rows   int   // in the row group
	total  int64 // before it
	groups []groupInfo
	err    error
}

// A groupInfo is what the end of the file says of a row group.
type groupInfo struct {
	rows   int64
	chunks []chunkInfo
}

type chunkInfo struct {
	at, raw, size, count int64
}

// Parquet writes an Apache Parquet file. Booleans and whole numbers are what
// they are, decimals DOUBLE, instants TIMESTAMP in UTC, all else is text: FHIR's
// dates may be partial. Lists are LIST.
func (v *View) Parquet(w io.Writer) (Writer, error) {
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, fmt.Errorf("prepare compression: %w", err)
	}
	p := &parquetWriter{w: w, zip: zip}
	for _, c := range v.Columns {
		k := chunk{Column: c, physical: parquetBytes}
		switch c.Type {
		case "boolean":
			k.physical = parquetBool
		case "integer", "positiveInt", "unsignedInt":
			k.physical = parquetInt32
		case "integer64":
			k.physical = parquetInt64
		case "decimal":
			k.physical = parquetDouble
		case "instant":
			k.physical, k.instant = parquetInt64, true
		}
		p.chunks = append(p.chunks, k)
	}
	p.write([]byte(parquetMagic))
	return p, p.err
}

func (p *parquetWriter) write(b []byte) {
	if p.err != nil {
		return
	}
	n, err := p.w.Write(b)
	p.at += int64(n)
	p.err = err
}

// Write puts a row into the row group.
func (p *parquetWriter) Write(r Row) error {
	if p.err != nil {
		return p.err
	}
	size := 0
	for i := range p.chunks {
		if err := p.chunks[i].add(r[i]); err != nil {
			p.err = err
			return err
		}
		size += len(p.chunks[i].values)
	}
	if p.rows++; p.rows >= groupRows || size >= groupSize {
		p.flush()
	}
	return p.err
}

// add puts a value behind the others, with the levels that say where in its
// list it is and how much of it is there.
func (c *chunk) add(v any) error {
	list, ok := v.([]any)
	switch {
	case v == nil:
		c.level(0, 0)
		return nil
	case !ok && !c.Collection:
		c.level(0, 1)
		return c.value(v)
	case len(list) == 0:
		c.level(0, 1)
		return nil
	}
	for i, e := range list {
		c.level(min(i, 1), 2)
		if err := c.value(e); err != nil {
			return err
		}
	}
	return nil
}

func (c *chunk) level(rep, def int) {
	c.count++
	c.def.add(byte(def))
	if c.Collection {
		c.rep.add(byte(rep))
	}
}

// value writes a value in the encoding PLAIN.
func (c *chunk) value(v any) error {
	bad := func() error { return fmt.Errorf("column %s: %v is not of the type %s", c.Name, v, c.Type) }
	switch c.physical {
	case parquetBool:
		b, ok := v.(bool)
		if !ok {
			return bad()
		}
		if c.bits%8 == 0 {
			c.values = append(c.values, 0)
		}
		if b {
			c.values[len(c.values)-1] |= 1 << (c.bits % 8)
		}
		c.bits++
	case parquetInt32, parquetInt64:
		n, ok := c.whole(v)
		switch {
		case !ok || c.physical == parquetInt32 && n != int64(int32(n)):
			return bad()
		case c.physical == parquetInt32:
			c.values = binary.LittleEndian.AppendUint32(c.values, uint32(n))
		default:
			c.values = binary.LittleEndian.AppendUint64(c.values, uint64(n))
		}
	case parquetDouble:
		var f float64
		switch v := v.(type) {
		case path.Decimal:
			f = v.Float()
		case int64:
			f = float64(v)
		default:
			return bad()
		}
		c.values = binary.LittleEndian.AppendUint64(c.values, math.Float64bits(f))
	default:
		s, ok := v.(string)
		if !ok {
			s = string(appendValue(nil, v))
		}
		c.values = binary.LittleEndian.AppendUint32(c.values, uint32(len(s)))
		c.values = append(c.values, s...)
	}
	return nil
}

// whole returns the whole number that a value is, or the microseconds of an
// instant.
func (c *chunk) whole(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, !c.instant
	case path.Decimal:
		n, ok := v.Int64()
		return n, ok && !c.instant
	case string:
		t, err := time.Parse(time.RFC3339Nano, v)
		return t.UnixMicro(), err == nil && c.instant
	}
	return 0, false
}

// flush writes the row group.
func (p *parquetWriter) flush() {
	if p.rows == 0 || p.err != nil {
		return
	}
	g := groupInfo{rows: int64(p.rows)}
	for i := range p.chunks {
		g.chunks = append(g.chunks, p.page(&p.chunks[i]))
	}
	p.groups = append(p.groups, g)
	p.total += int64(p.rows)
	p.rows = 0
}

// page writes the values of a column as one data page.
func (p *parquetWriter) page(c *chunk) chunkInfo {
	var raw []byte
	if c.Collection {
		raw = c.rep.appendTo(raw)
	}
	raw = append(c.def.appendTo(raw), c.values...)
	packed := p.zip.EncodeAll(raw, nil)
	t := thrift{}
	t.i32(1, 0) // DATA_PAGE
	t.i32(2, int32(len(raw)))
	t.i32(3, int32(len(packed)))
	t.open(5)
	t.i32(1, int32(c.count))
	t.i32(2, 0) // PLAIN
	t.i32(3, 3) // RLE
	t.i32(4, 3)
	t.end()
	t.b = append(t.b, 0)
	info := chunkInfo{at: p.at, raw: int64(len(t.b) + len(raw)), size: int64(len(t.b) + len(packed)), count: int64(c.count)}
	p.write(t.b)
	p.write(packed)
	c.values, c.bits, c.count = c.values[:0], 0, 0
	c.def, c.rep = levels{}, levels{}
	return info
}

// End writes what is where.
func (p *parquetWriter) End() error {
	p.flush()
	b := p.footer()
	p.write(b)
	p.write(binary.LittleEndian.AppendUint32(nil, uint32(len(b))))
	p.write([]byte(parquetMagic))
	return p.err
}

// levels are small numbers in runs, in Parquet's hybrid encoding.
type levels struct {
	b    []byte
	last byte
	run  uint64
}

func (l *levels) add(v byte) {
	if l.run > 0 && v != l.last {
		l.close()
	}
	l.last = v
	l.run++
}

func (l *levels) close() {
	if l.run > 0 {
		l.b = append(binary.AppendUvarint(l.b, l.run<<1), l.last)
		l.run = 0
	}
}

func (l *levels) appendTo(b []byte) []byte {
	l.close()
	b = binary.LittleEndian.AppendUint32(b, uint32(len(l.b)))
	return append(b, l.b...)
}
