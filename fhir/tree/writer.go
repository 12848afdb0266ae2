package tree

// A Writer builds a JSON document: commas and brackets come by themselves. The
// zero Writer is ready. Names and values are the caller's to pair.
type Writer struct {
	b    []byte
	ends []byte // brackets that are still to be closed
	next bool   // a comma is due
}

// NewWriter returns a writer that appends to b.
func NewWriter(b []byte) *Writer { return &Writer{b: b} }

// Bytes returns what was written.
func (w *Writer) Bytes() []byte { return w.b }

// Len returns how many bytes were written.
func (w *Writer) Len() int { return len(w.b) }

func (w *Writer) comma() {
	if w.next {
		w.b = append(w.b, ',')
	}
	w.next = true
}

func (w *Writer) begin(open, end byte) *Writer {
	w.comma()
	w.b, w.ends, w.next = append(w.b, open), append(w.ends, end), false
	return w
}

// Object begins an object.
func (w *Writer) Object() *Writer { return w.begin('{', '}') }

// Array begins an array.
func (w *Writer) Array() *Writer { return w.begin('[', ']') }

// End ends the innermost object or array.
func (w *Writer) End() *Writer {
	last := len(w.ends) - 1
	w.b, w.ends, w.next = append(w.b, w.ends[last]), w.ends[:last], true
	return w
}

// Name writes the name of the member whose value comes next.
func (w *Writer) Name(name string) *Writer {
	w.comma()
	w.b, w.next = append(AppendString(w.b, name), ':'), false
	return w
}

// String writes a string.
func (w *Writer) String(s string) *Writer {
	w.comma()
	w.b = AppendString(w.b, s)
	return w
}

// Raw writes a value that is JSON already: a number's digits, true, null, or
// the bytes of a Node.
func (w *Writer) Raw(value []byte) *Writer {
	w.comma()
	w.b = append(w.b, value...)
	return w
}

// Word writes a number, true, false or null given as text.
func (w *Writer) Word(s string) *Writer {
	w.comma()
	w.b = append(w.b, s...)
	return w
}

// Text writes a member that is a string.
func (w *Writer) Text(name, s string) *Writer { return w.Name(name).String(s) }

// Member writes a member that is JSON already.
func (w *Writer) Member(name string, value []byte) *Writer { return w.Name(name).Raw(value) }
