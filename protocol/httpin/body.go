package httpin

import (
	"errors"
	"hash"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/vigil-iomt/vigil"
)

// A body is what a request carries: unpacked, counted, and hashed if need be.
type body struct {
	r       io.Reader
	gz      *gzip.Reader
	rc      *http.ResponseController
	idle    time.Duration
	left    int64 // bytes that may still come; one more is too large
	hash    hash.Hash
	tooLong error
}

// openBody checks what the headers say and returns the body, of at most limit
// bytes unpacked.
func (h *Handler) openBody(w http.ResponseWriter, r *http.Request, limit int64, sum hash.Hash) (*body, error) {
	b := &body{
		r: r.Body, rc: http.NewResponseController(w), idle: h.c.Idle, left: limit, hash: sum,
		tooLong: vigil.Errorf(vigil.TooLarge, "more than %d bytes", limit),
	}
	switch strings.ToLower(r.Header.Get("Content-Encoding")) {
	case "", "identity":
		if r.ContentLength > limit {
			return nil, b.tooLong
		}
	case "gzip", "x-gzip":
		b.pace()
		gz, err := gzip.NewReader(io.LimitReader(r.Body, limit+1024))
		if err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "the body is not gzip")
		}
		b.r, b.gz = gz, gz
	default:
		return nil, failure{vigil.Errorf(vigil.Invalid, "send the body as it is, or as gzip"), http.StatusUnsupportedMediaType}
	}
	return b, nil
}

// pace gives the sender its time for the next bytes. Servers without deadlines
// (tests that call the handler) have none here either.
func (b *body) pace() { _ = b.rc.SetReadDeadline(time.Now().Add(b.idle)) }

// Read reads on. Its errors are io.EOF and *vigil.Error.
func (b *body) Read(p []byte) (int, error) {
	b.pace()
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if int64(n) > b.left {
		return 0, b.tooLong
	}
	b.left -= int64(n)
	if b.hash != nil {
		_, _ = b.hash.Write(p[:n]) // cannot fail
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, b.broken(err)
	}
	return n, err
}

// broken classifies an error of the stream.
func (b *body) broken(err error) error {
	switch {
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), b.gz != nil:
		return &vigil.Error{Kind: vigil.Invalid, Msg: "the body is not whole gzip", Err: err}
	}
	return &vigil.Error{Kind: vigil.Invalid, Msg: "the body ends early", Err: err}
}

// close gives the connection back to the server as it was.
func (b *body) close() {
	if b.gz != nil {
		_ = b.gz.Close()
	}
	_ = b.rc.SetReadDeadline(time.Time{})
}

// checkType refuses content types that cannot be meant. A single message is the
// device's own payload, whatever type the client calls it (curl says
// application/x-www-form-urlencoded), but a form with files is none.
func checkType(r *http.Request, batch bool) error {
	text := r.Header.Get("Content-Type")
	if text == "" {
		return nil
	}
	t, _, err := mime.ParseMediaType(text)
	if err == nil && !batch && !strings.HasPrefix(t, "multipart/") {
		return nil
	}
	switch t {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/json",
		"text/plain", "application/octet-stream", "application/x-www-form-urlencoded":
		return nil
	}
	want := "the device's own payload"
	if batch {
		want = "application/x-ndjson"
	}
	return failure{vigil.Errorf(vigil.Invalid, "the content type cannot be used here; send %s", want), http.StatusUnsupportedMediaType}
}
