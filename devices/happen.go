package devices

import (
	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/jsonbody"
)

// maxData is how long the value of one data field of an event may be.
const maxData = 4096

// event reads one thing that happened.
func (x *decoding) event(e *event) {
	if e.path != nil {
		kind := x.doc.Kind(x.find(e.path))
		if kind == jsonbody.Missing || kind == jsonbody.Null || kind == jsonbody.False {
			x.found = x.found || kind != jsonbody.Missing
			return
		}
	}
	x.found = true
	out := vigil.Event{Type: e.kind, Title: e.title, Codes: e.codes}
	var ok bool
	if out.Stated, out.KeyKind, out.Key, ok = x.stamp(e.time); !ok {
		return
	}
	for i := range e.data {
		f := &e.data[i]
		ref := x.find(f.path)
		if !present(x.doc.Kind(ref)) {
			continue
		}
		raw := x.doc.Raw(ref)
		if len(raw) > maxData {
			x.refuse(f.path, "longer than what an event can carry")
			continue
		}
		if out.Data == nil {
			out.Data = make([]byte, 0, 64)
			out.Data = append(out.Data, '{')
		} else {
			out.Data = append(out.Data, ',')
		}
		out.Data = append(out.Data, f.name...)
		out.Data = append(out.Data, raw...)
	}
	if out.Data != nil {
		out.Data = append(out.Data, '}')
	}
	x.out.Events = append(x.out.Events, out)
}
