package view

import "encoding/binary"

// Kinds of fields in Thrift's compact protocol, in which Parquet keeps its
// metadata.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftI32    = 5
	thriftI64    = 6
	thriftBinary = 8
	thriftList   = 9
	thriftStruct = 12
)

// A thrift writes a struct in Thrift's compact protocol.
type thrift struct {
	b    []byte
	last []int // the number of the last field of each open struct
}

// field writes the head of a field.
func (t *thrift) field(id, kind int) {
	if len(t.last) == 0 {
		t.last = append(t.last, 0)
	}
	top := len(t.last) - 1
	t.b = append(t.b, byte((id-t.last[top])<<4|kind)) // numbers never jump by more than 15
	t.last[top] = id
}

func (t *thrift) varint(n uint64) { t.b = binary.AppendUvarint(t.b, n) }

func (t *thrift) i32(id int, v int32) {
	t.field(id, thriftI32)
	t.varint(uint64(uint32(v<<1 ^ v>>31)))
}

func (t *thrift) i64(id int, v int64) {
	t.field(id, thriftI64)
	t.varint(uint64(v<<1 ^ v>>63))
}

func (t *thrift) flag(id int, v bool) {
	if v {
		t.field(id, thriftTrue)
	} else {
		t.field(id, thriftFalse)
	}
}

func (t *thrift) text(id int, s string) {
	t.field(id, thriftBinary)
	t.bytes(s)
}

func (t *thrift) bytes(s string) {
	t.varint(uint64(len(s)))
	t.b = append(t.b, s...)
}

// list writes the head of a list, whose elements follow.
func (t *thrift) list(id, kind, n int) {
	t.field(id, thriftList)
	if n < 15 {
		t.b = append(t.b, byte(n<<4|kind))
		return
	}
	t.b = append(t.b, byte(0xf0|kind))
	t.varint(uint64(n))
}

// open starts a struct that is a field, enter one that is an element of a list;
// end ends both.
func (t *thrift) open(id int) {
	t.field(id, thriftStruct)
	t.enter()
}

func (t *thrift) enter() { t.last = append(t.last, 0) }

func (t *thrift) end() {
	t.b = append(t.b, 0)
	t.last = t.last[:len(t.last)-1]
}

// empty writes a struct without fields.
func (t *thrift) empty(id int) {
	t.open(id)
	t.end()
}

// element writes a number in a list.
func (t *thrift) element(v int32) { t.varint(uint64(uint32(v<<1 ^ v>>31))) }
