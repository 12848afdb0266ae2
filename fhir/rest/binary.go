package rest

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Binary is content and its type. Who does not ask for FHIR gets the content
// itself, and who does not send FHIR sends the content itself (binary.html#rest).

// wantsContent tells whether a client wants the content of a Binary, not the
// resource.
func (c *call) wantsContent() bool {
	if c.nested() || c.typ != "Binary" {
		return false
	}
	if v, err := url.ParseQuery(c.query); err == nil && v.Get("_format") != "" {
		return false
	}
	for t := range strings.SplitSeq(strings.Join(c.http.Header.Values("Accept"), ","), ",") {
		switch kind, _, _ := mime.ParseMediaType(t); kind {
		case "application/fhir+json", "application/fhir+xml", "application/json":
			return false
		}
	}
	return true
}

// readContent is read for who wants the content of a Binary. It comes from
// anybody, so that no browser may run it here.
func (s *Server) readContent(ctx context.Context, c *call) (*answer, error) {
	a, err := s.read(ctx, c)
	if err != nil || len(a.body) == 0 {
		return a, err
	}
	doc, err := tree.Parse(a.body)
	if err != nil {
		return nil, err
	}
	content, err := base64.StdEncoding.DecodeString(spaceless(doc.Root().Get("data").Text()))
	if err != nil {
		return nil, Refuse(http.StatusUnprocessableEntity, "value", "the data of this Binary is no base64")
	}
	a.body, a.typ, a.media = nil, "", doc.Root().Get("contentType").Text()
	if _, _, err := mime.ParseMediaType(a.media); err != nil {
		a.media = "application/octet-stream"
	}
	a.header = http.Header{
		"X-Content-Type-Options": {"nosniff"}, "Content-Security-Policy": {"sandbox; default-src 'none'"},
	}
	if ref := doc.Root().Get("securityContext").Get("reference").Text(); printable(ref) && ref != "" {
		a.header.Set("X-Security-Context", ref)
	}
	a.stream = func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(content))
		return err
	}
	return a, nil
}

// asBinary makes a Binary of content that was sent as it is.
func (c *call) asBinary() []byte {
	w := tree.NewWriter(make([]byte, 0, 2*len(c.body)))
	w.Object().Text("resourceType", "Binary")
	if c.id != "" {
		w.Text("id", c.id)
	}
	w.Text("contentType", c.media)
	if ref := c.http.Header.Get("X-Security-Context"); ref != "" {
		w.Name("securityContext").Object().Text("reference", ref).End()
	}
	if len(c.body) > 0 {
		w.Text("data", base64.StdEncoding.EncodeToString(c.body))
	}
	return w.End().Bytes()
}

// isContent tells whether the content of a Binary was sent, not the resource.
func (c *call) isContent() bool {
	return !c.nested() && c.typ == "Binary" && (c.method == http.MethodPost || c.method == http.MethodPut) &&
		strings.TrimSpace(c.media) != "" && formOf(c.media) == noForm
}

// spaceless takes the white space out of base64, where it means nothing.
func spaceless(s string) string {
	if !strings.ContainsAny(s, " \t\r\n") {
		return s
	}
	return strings.Join(strings.Fields(s), "")
}

// printable tells whether a text can stand in a header.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
