package bulk

import (
	"compress/gzip"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// An importAsk is what an import is to fetch.
type importAsk struct {
	Inputs []input `json:"inputs"` // a step each
}

// An input is one address.
type input struct {
	Type string `json:"type"` // "" for any
	URL  string `json:"url"`
}

// The bounds of an import.
const (
	maxManifest = 4 << 20
	maxInputs   = 10_000
	maxTold     = 1000 // lines that an answer tells of
)

// serveImport takes NDJSON, which it loads at once, or says where NDJSON is,
// which makes a job.
func (s *Service) serveImport(w http.ResponseWriter, r *http.Request, in *rest.Invocation) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return rest.Refuse(http.StatusUnsupportedMediaType, "not-supported", "$import takes %s, or a list of addresses as JSON", ndjson)
	}
	switch kind {
	case ndjson, "application/ndjson", "application/x-ndjson":
		return s.importHere(w, r, in)
	case "application/json", "application/fhir+json":
	default:
		return rest.Refuse(http.StatusUnsupportedMediaType, "not-supported", "$import takes %s, or a list of addresses as JSON", ndjson)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManifest))
	if err != nil {
		return rest.Refuse(http.StatusRequestEntityTooLarge, "too-long", "a list of addresses has at most %d bytes", maxManifest)
	}
	doc, err := tree.Parse(body)
	if err != nil {
		return rest.Refuse(http.StatusBadRequest, "structure", "the list of addresses is no JSON")
	}
	ask, err := s.importOf(doc.Root())
	if err != nil {
		return err
	}
	j := &job{Kind: "import", Actor: in.Actor, Base: in.Base, Request: in.Base + "/$import", Token: r.Header.Get("Authorization") != "", Import: ask}
	result, err := s.start(j)
	if err != nil {
		return err
	}
	h := w.Header()
	h["Content-Location"] = result.Header["Content-Location"]
	h.Set("Content-Type", "application/fhir+json")
	w.WriteHeader(result.Status)
	_, err = w.Write(result.Body) // #nosec G705 -- JSON, sent as such
	return ignoreGone(err)
}

// importOf reads a list of addresses: an object with input and type and url, or
// a Parameters resource that says the same.
func (s *Service) importOf(root tree.Node) (*importAsk, error) {
	ask, format := &importAsk{}, root.Get("inputFormat").Text()
	for n := range root.Get("input").Items() {
		ask.Inputs = append(ask.Inputs, input{n.Get("type").Text(), n.Get("url").Text()})
	}
	for p := range root.Get("parameter").Items() {
		switch p.Get("name").Text() {
		case "inputFormat":
			format = anyValue(p)
		case "input":
			var one input
			for part := range p.Get("part").Items() {
				switch part.Get("name").Text() {
				case "type":
					one.Type = anyValue(part)
				case "url":
					one.URL = anyValue(part)
				}
			}
			ask.Inputs = append(ask.Inputs, one)
		}
	}
	switch {
	case format != "" && format != ndjson && format != "application/ndjson" && format != "ndjson":
		return nil, rest.Refuse(http.StatusBadRequest, "not-supported", "files are %s; other formats are not read", ndjson)
	case len(ask.Inputs) == 0:
		return nil, rest.Refuse(http.StatusBadRequest, "required", "there is no input with a url")
	case len(ask.Inputs) > maxInputs:
		return nil, rest.Refuse(http.StatusBadRequest, "too-costly", "at most %d files can be named", maxInputs)
	}
	for _, i := range ask.Inputs {
		if err := s.mayFetch(i.URL); err != nil {
			return nil, err
		}
	}
	return ask, nil
}

// anyValue is the value of a parameter, whatever its type.
func anyValue(p tree.Node) string {
	for name, v := range p.Members() {
		if strings.HasPrefix(name, "value") {
			return v.Text()
		}
	}
	return ""
}

// importHere loads what was sent, and answers with an OperationOutcome for each
// line that failed and, last, with Parameters that say how many did not.
func (s *Service) importHere(w http.ResponseWriter, r *http.Request, in *rest.Invocation) error {
	var from io.Reader = r.Body
	switch e := strings.ToLower(r.Header.Get("Content-Encoding")); e {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(from)
		if err != nil {
			return rest.Refuse(http.StatusBadRequest, "structure", "the body is no gzip")
		}
		from = z
	default:
		return rest.Refuse(http.StatusUnsupportedMediaType, "not-supported", "the encoding %.40q is not spoken here; gzip is", e)
	}
	var out []byte
	told := 0
	l := &loader{s: s, in: in, typ: in.Query.Get("type"), did: func(int) {}, told: func(line int, err error) error {
		if told++; told <= maxTold {
			out = append(append(out, lineOutcome(line, err)...), '\n')
		}
		return nil
	}}
	err := l.load(r.Context(), from)
	if err != nil && l.sum == (tally{}) {
		return err
	}
	if told > maxTold {
		out = append(append(out, rest.AppendOutcome(nil, rest.Issue{Severity: "warning", Code: "incomplete", Text: fmt.Sprintf("%d more lines failed", told-maxTold)})...), '\n')
	}
	if err != nil { // what was written stays written, and is answered for
		out = append(append(out, rest.Outcome(err, "the rest was not loaded")...), '\n')
	}
	out = append(out, l.sum.parameters(err == nil)...)
	h := w.Header()
	h.Set("Content-Type", ndjson)
	if err != nil {
		w.WriteHeader(http.StatusMultiStatus)
	}
	_, err = w.Write(append(out, '\n')) // #nosec G705 -- JSON, sent as such
	return ignoreGone(err)
}

// parameters is a tally as a resource.
func (t tally) parameters(whole bool) []byte {
	return fmt.Appendf(nil, `{"resourceType":"Parameters","parameter":[{"name":"written","valueInteger":%d},{"name":"unchanged","valueInteger":%d},{"name":"failed","valueInteger":%d},{"name":"complete","valueBoolean":%t}]}`,
		t.Written, t.Same, t.Failed, whole)
}

// importAll does the steps of an import: one for each address. One that cannot
// be fetched is told, and the rest goes on.
func (s *Service) importAll(in *rest.Invocation, j *job) error {
	for j.Step < len(j.Import.Inputs) {
		if err := s.importOne(in, j, j.Import.Inputs[j.Step]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) importOne(in *rest.Invocation, j *job, i input) error {
	w := s.writer(j)
	defer w.close()
	s.change(j, func() { j.at, j.count = i.Type, 0 })
	tell := func(text []byte) error { return w.line("error", "OperationOutcome", i.URL, text) }
	l := &loader{s: s, in: in, typ: i.Type, told: func(line int, err error) error { return tell(lineOutcome(line, err)) },
		did: func(n int) { s.change(j, func() { j.count += int64(n) }) }}
	err := s.fetch(j.ctx, i.URL, func(from io.Reader) error { return l.load(j.ctx, from) })
	if err != nil {
		if j.ctx.Err() != nil {
			return j.ctx.Err()
		}
		if vigil.KindOf(err) == vigil.Full {
			return err
		}
		if err := tell(rest.Outcome(err, "")); err != nil {
			return err
		}
	}
	s.change(j, func() {
		j.Files = append(j.Files, file{Role: "output", Type: i.Type, Input: i.URL, Count: l.sum.Written + l.sum.Same})
	})
	return s.stepped(j, w)
}
