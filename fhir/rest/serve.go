package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/vigil-iomt/vigil"
)

// ServeHTTP answers any request under /fhir; the prefix may have been taken off
// already.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := s.receive(w, r)
	var a *answer
	if err == nil {
		a, err = s.do(r.Context(), c)
	}
	if err == nil {
		err = s.shaped(c, a)
	}
	if err != nil {
		s.refuse(w, c, err)
		return
	}
	if a != nil { // an operation may have answered by itself
		s.send(w, c, a)
	}
}

// receive makes the call of a request. There is one even when it fails, so that
// the failure is told in the right form.
func (s *Server) receive(w http.ResponseWriter, r *http.Request) (*call, error) {
	h := r.Header
	actor, _ := vigil.ActorFrom(r.Context())
	c := &call{
		method: r.Method, query: r.URL.RawQuery, base: s.base(r), now: vigil.InstantOf(s.c.Now()), actor: actor, form: jsonForm,
		ifMatch: h.Get("If-Match"), ifNoneMatch: strings.Join(h.Values("If-None-Match"), ","),
		ifNoneExist: strings.TrimPrefix(h.Get("If-None-Exist"), "?"), ifModifiedSince: h.Get("If-Modified-Since"),
		media: h.Get("Content-Type"), prefer: preferences(h.Values("Prefer")), http: r, w: w,
	}
	c.open = func() ([]byte, error) { return s.readBody(w, r) }
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return c, bad("the query part of the address is not encoded rightly")
	}
	c.form, c.unspoken = wanted(r, values.Get("_format"))
	if c.shape, err = shapeOf(values); err != nil {
		return c, err
	}
	c.path, err = segments(strings.TrimPrefix(r.URL.EscapedPath(), "/fhir"))
	return c, err
}

// base is the address of the base, as this client sees it.
func (s *Server) base(r *http.Request) string {
	if s.c.BaseURL != "" {
		return strings.TrimSuffix(s.c.BaseURL, "/")
	}
	scheme := "http://"
	if r.TLS != nil {
		scheme = "https://"
	}
	return scheme + r.Host + "/fhir"
}

// readBody reads what was sent, unpacked, up to a bound.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := vigil.Errorf(vigil.TooLarge, "a body has at most %d bytes", s.c.MaxBody)
	if r.ContentLength > s.c.MaxBody {
		return nil, tooLarge
	}
	var from io.Reader = http.MaxBytesReader(w, r.Body, s.c.MaxBody)
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(from)
		if err != nil {
			return nil, bad("the body is no gzip")
		}
		from = z
	default:
		return nil, notSupported(http.StatusUnsupportedMediaType, "the encoding %s is not spoken here; gzip is", clip(encoding))
	}
	var b bytes.Buffer
	if r.ContentLength > 0 {
		b.Grow(int(min(r.ContentLength+bytes.MinRead, 1<<20)))
	}
	n, err := b.ReadFrom(io.LimitReader(from, s.c.MaxBody+1))
	var over *http.MaxBytesError
	switch {
	case n > s.c.MaxBody || errors.As(err, &over):
		return nil, tooLarge
	case err != nil:
		return nil, bad("the body could not be read to its end")
	}
	return b.Bytes(), nil
}

// shaped cuts the resource of an answer down to what the client wants.
func (s *Server) shaped(c *call, a *answer) error {
	if a == nil || a.typ == "" || len(a.body) == 0 || !c.shape.cuts() {
		return nil
	}
	var err error
	a.body, err = s.cut(&c.shape, a.typ, a.body)
	return err
}

// refuse answers with an OperationOutcome.
func (s *Server) refuse(w http.ResponseWriter, c *call, err error) {
	ctx := c.http.Context()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = vigil.Errorf(vigil.Unavailable, "the request ended before its answer")
	}
	p := problemOf(err)
	switch p.Status {
	case http.StatusInternalServerError:
		s.c.Log.ErrorContext(ctx, "fhir request failed", "method", c.method, "error", err)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	s.send(w, c, &answer{status: p.Status, body: AppendOutcome(nil, p.Issues...)})
}

// send writes an answer.
func (s *Server) send(w http.ResponseWriter, c *call, a *answer) {
	h := w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	if a.version != "" && a.status != http.StatusGone {
		h.Set("ETag", etag(a.version))
	}
	if a.changed != 0 {
		h.Set("Last-Modified", a.changed.Time().Format(http.TimeFormat))
	}
	if a.location != "" {
		h.Set("Location", a.location)
	}
	if id := c.http.Header.Get("X-Request-Id"); id != "" && validID(id) {
		h.Set("X-Request-Id", id)
	}
	h.Set("Cache-Control", "no-store")
	if a.stream != nil {
		s.pour(w, c, a)
		return
	}
	if len(a.outcome) > 0 {
		a.body, a.parts = a.outcome, nil
	}
	parts, err := s.written(c, a)
	if err != nil {
		s.c.Log.ErrorContext(c.http.Context(), "an answer cannot be written in its form", "error", err)
		c.form, a.status = jsonForm, http.StatusInternalServerError
		parts = [][]byte{AppendOutcome(nil, Issue{Code: "exception", Text: "the answer cannot be written in this form"})}
	}
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size == 0 {
		w.WriteHeader(a.status)
		return
	}
	h.Set("Content-Type", c.form.mediaType())
	h.Set("Vary", "Accept, Accept-Encoding, Prefer")
	if size >= worthPacking && c.method != http.MethodHead && takesGzip(c.http) {
		parts = [][]byte{s.packers.pack(parts)}
		size = len(parts[0])
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(size))
	w.WriteHeader(a.status)
	for _, p := range parts {
		if c.method == http.MethodHead {
			break
		}
		_, _ = w.Write(p) // #nosec G705 -- a resource, sent as one; should the client be gone, nobody is left to tell
	}
	if a.done != nil {
		a.done()
	}
}

// pour sends what is no resource.
func (s *Server) pour(w http.ResponseWriter, c *call, a *answer) {
	if a.media != "" {
		w.Header().Set("Content-Type", a.media)
	}
	w.WriteHeader(a.status)
	if c.method == http.MethodHead {
		return
	}
	if err := a.stream(w); err != nil && !errors.Is(err, context.Canceled) {
		s.c.Log.WarnContext(c.http.Context(), "an answer broke off", "error", err)
		panic(http.ErrAbortHandler) // the client must see that it is not whole
	}
}

// written puts a resource into the form that the client wants.
func (s *Server) written(c *call, a *answer) ([][]byte, error) {
	switch {
	case c.form == xmlForm && (len(a.body) > 0 || a.parts != nil):
		x, err := s.toXML(a.whole(), c.shape.pretty)
		return [][]byte{x}, err
	case c.shape.pretty && (len(a.body) > 0 || a.parts != nil):
		var b bytes.Buffer
		err := json.Indent(&b, a.whole(), "", "  ")
		return [][]byte{b.Bytes()}, err
	case a.parts != nil:
		return a.parts, nil
	}
	return [][]byte{a.body}, nil
}

// worthPacking is the size from which a body is packed: below it, the packet on
// the wire is the same.
const worthPacking = 1400

// takesGzip tells whether a client takes gzip.
func takesGzip(r *http.Request) bool {
	for t := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, q, _ := strings.Cut(t, ";")
		if name = strings.TrimSpace(name); name == "gzip" || name == "*" {
			q = strings.TrimPrefix(strings.ReplaceAll(q, " ", ""), "q=")
			return q == "" || strings.Trim(q, "0.") != ""
		}
	}
	return false
}

// packers are writers of gzip that were used before: a new one costs a
// megabyte.
type packers struct{ pool sync.Pool }

func (p *packers) pack(parts [][]byte) []byte {
	var b bytes.Buffer
	z, ok := p.pool.Get().(*gzip.Writer)
	if !ok {
		z, _ = gzip.NewWriterLevel(&b, gzip.BestSpeed) // the level is one that there is
	}
	z.Reset(&b)
	for _, part := range parts {
		_, _ = z.Write(part) // into memory
	}
	_ = z.Close()
	p.pool.Put(z)
	return b.Bytes()
}
