package fhir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// A bundle gathers the entries of an answer.
type bundle struct {
	*search
	base      string
	kind      string // searchset or history
	operation string // what follows the type in the address, "" for a search
	body      []byte
	entries   int
	total     int // -1 when nobody counted
	next      string
}

func (h *Handler) newBundle(r *http.Request, s *search) *bundle {
	return &bundle{search: s, base: h.base(r), kind: "searchset", total: -1}
}

// open begins an entry.
func (b *bundle) open() {
	if b.entries > 0 {
		b.body = append(b.body, ',')
	}
	b.entries++
}

// link appends an address that repeats the search.
func (b *bundle) link(dst []byte, relation, cursor string) []byte {
	address := b.base + "/" + b.resource + b.operation
	query := b.self.Encode()
	if cursor != "" {
		if query != "" {
			query += "&"
		}
		query += "_cursor=" + cursor
	}
	if query != "" {
		address += "?" + query
	}
	dst = append(dst, `{"relation":"`...)
	dst = append(dst, relation...)
	dst = append(dst, `","url":`...)
	return append(appendString(dst, address), '}')
}

// bytes is the Bundle. What was not understood is its last entry.
func (b *bundle) bytes(at vigil.Instant) []byte {
	dst := make([]byte, 0, len(b.body)+1024)
	dst = append(dst, `{"resourceType":"Bundle","meta":{"lastUpdated":"`...)
	dst = appendTime(dst, at)
	dst = append(dst, `"},"type":"`...)
	dst = append(dst, b.kind...)
	dst = append(dst, '"')
	if b.total >= 0 {
		dst = append(dst, `,"total":`...)
		dst = strconv.AppendInt(dst, int64(b.total), 10)
	}
	dst = append(dst, `,"link":[`...)
	dst = b.link(dst, "self", b.cursor)
	if b.next != "" {
		dst = b.link(append(dst, ','), "next", b.next)
	}
	dst = append(dst, ']')
	entries := b.body
	if len(b.odd) > 0 {
		b.open()
		entries = append(b.body, `{"resource":`...)
		entries = appendOutcome(entries, "warning", b.odd...)
		entries = append(entries, `,"search":{"mode":"outcome"}}`...)
	}
	if len(entries) > 0 {
		dst = append(dst, `,"entry":[`...)
		dst = append(dst, entries...)
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

func (h *Handler) sendBundle(w http.ResponseWriter, r *http.Request, b *bundle, err error) error {
	if err != nil {
		return err
	}
	send(w, r, http.StatusOK, b.bytes(vigil.InstantOf(h.c.Now())))
	return nil
}

// sendResource answers with one resource and its version, or with 304 when the
// client has it.
func (h *Handler) sendResource(w http.ResponseWriter, r *http.Request, version string, changed vigil.Instant, write func([]byte) []byte) error {
	etag := `W/"` + version + `"`
	w.Header().Set("ETag", etag)
	if changed != 0 {
		w.Header().Set("Last-Modified", changed.Time().Format(http.TimeFormat))
	}
	for t := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if t = strings.TrimSpace(t); t == "*" || strings.TrimPrefix(t, "W/") == `"`+version+`"` {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	send(w, r, http.StatusOK, write(nil))
	return nil
}

// send writes a JSON body, indented when the client asked for _pretty.
func send(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	if r.URL.Query().Get("_pretty") == "true" {
		var b bytes.Buffer
		if err := json.Indent(&b, body, "", "  "); err == nil {
			body = b.Bytes()
		}
	}
	w.Header().Set("Content-Type", "application/fhir+json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; nobody is left to tell
}

// base is the address of the base, as this client sees it.
func (h *Handler) base(r *http.Request) string {
	if h.c.BaseURL != "" {
		return strings.TrimSuffix(h.c.BaseURL, "/")
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s/fhir", scheme, r.Host)
}
