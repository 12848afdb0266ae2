package view

// footer writes the FileMetaData of a Parquet file.
func (p *parquetWriter) footer() []byte {
	t := thrift{}
	t.i32(1, 1) // the version of the format
	n := 1
	for i := range p.chunks {
		n++
		if p.chunks[i].Collection {
			n += 2
		}
	}
	t.list(2, thriftStruct, n)
	t.enter()
	t.text(4, "schema")
	t.i32(5, int32(len(p.chunks)))
	t.end()
	for i := range p.chunks {
		p.chunks[i].schema(&t)
	}
	t.i64(3, p.total)
	t.list(4, thriftStruct, len(p.groups))
	for _, g := range p.groups {
		p.group(&t, g)
	}
	t.text(6, "vigil")
	return append(t.b, 0)
}

// Repetitions of elements in Parquet's schema.
const (
	required = 0
	optional = 1
	repeated = 2
)

// schema writes the elements of a column: the value, within a list when it is
// one.
func (c *chunk) schema(t *thrift) {
	if !c.Collection {
		c.leaf(t, c.Name, optional)
		return
	}
	t.enter()
	t.i32(3, optional)
	t.text(4, c.Name)
	t.i32(5, 1)
	t.i32(6, 3) // LIST, for older readers
	t.open(10)
	t.empty(3) // LIST
	t.end()
	t.end()
	t.enter()
	t.i32(3, repeated)
	t.text(4, "list")
	t.i32(5, 1)
	t.end()
	c.leaf(t, "element", required)
}

func (c *chunk) leaf(t *thrift, name string, repetition int32) {
	t.enter()
	t.i32(1, c.physical)
	t.i32(3, repetition)
	t.text(4, name)
	switch {
	case c.physical == parquetBytes:
		t.i32(6, 0) // UTF8, for older readers
		t.open(10)
		t.empty(1) // STRING
		t.end()
	case c.instant:
		t.i32(6, 10) // TIMESTAMP_MICROS
		t.open(10)
		t.open(8) // TIMESTAMP
		t.flag(1, true)
		t.open(2)
		t.empty(2) // MICROS
		t.end()
		t.end()
		t.end()
	}
	t.end()
}

// group writes where the columns of a row group are.
func (p *parquetWriter) group(t *thrift, g groupInfo) {
	t.enter()
	t.list(1, thriftStruct, len(g.chunks))
	size := int64(0)
	for i, k := range g.chunks {
		c := &p.chunks[i]
		size += k.raw
		t.enter()
		t.i64(2, k.at)
		t.open(3)
		t.i32(1, c.physical)
		t.list(2, thriftI32, 2)
		t.element(0) // PLAIN
		t.element(3) // RLE
		names := []string{c.Name}
		if c.Collection {
			names = append(names, "list", "element")
		}
		t.list(3, thriftBinary, len(names))
		for _, s := range names {
			t.bytes(s)
		}
		t.i32(4, codecZSTD)
		t.i64(5, k.count)
		t.i64(6, k.raw)
		t.i64(7, k.size)
		t.i64(9, k.at)
		t.end()
		t.end()
	}
	t.i64(2, size)
	t.i64(3, g.rows)
	t.end()
}
