package httpin

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/vigil-iomt/vigil"
)

// statusOf maps a kind to the HTTP status.
func statusOf(k vigil.Kind) int {
	switch k {
	case vigil.Invalid:
		return http.StatusBadRequest
	case vigil.NotFound:
		return http.StatusNotFound
	case vigil.Conflicting:
		return http.StatusConflict
	case vigil.Unknown:
		return http.StatusUnauthorized
	case vigil.Forbidden:
		return http.StatusForbidden
	case vigil.TooLarge:
		return http.StatusRequestEntityTooLarge
	case vigil.Overloaded, vigil.Unavailable:
		return http.StatusServiceUnavailable
	case vigil.Full:
		return http.StatusInsufficientStorage
	case vigil.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// lasting tells whether sending the same message again must fail again. A line
// with such an error is refused alone; any other error ends the whole request.
func lasting(k vigil.Kind) bool {
	switch k {
	case vigil.Invalid, vigil.NotFound, vigil.Conflicting, vigil.Forbidden, vigil.TooLarge:
		return true
	case vigil.Internal, vigil.Unknown, vigil.Overloaded, vigil.Full, vigil.Unavailable:
		return false
	}
	return false
}

// An outcome is the answer to a request.
type outcome struct {
	Accepted    int           `json:"accepted"`
	Repeated    int           `json:"repeated"`
	Quarantined []quarantined `json:"quarantined"`
	Refused     []refused     `json:"refused,omitempty"`
}

// A quarantined line is safe, but was not understood.
type quarantined struct {
	Line   int    `json:"line"`
	ID     string `json:"id"` // of the quarantine entry
	Reason string `json:"reason"`
}

// A refused line was not kept.
type refused struct {
	Line   int    `json:"line"`
	Kind   string `json:"kind"`
	Reason string `json:"reason"`
}

// A problem is an error as RFC 9457 writes it, with what was kept before it.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Kind   string `json:"kind"`
	*outcome
}

// words returns what the outside may know about an error.
func words(err error) string {
	var e *vigil.Error
	if vigil.KindOf(err) == vigil.Internal || !errors.As(err, &e) {
		return "internal error"
	}
	short := vigil.Error{Path: e.Path, Msg: e.Msg}
	return short.Error()
}

// A failure is an error with a status that its kind does not tell.
type failure struct {
	error
	status int
}

// Unwrap returns the error.
func (f failure) Unwrap() error { return f.error }

// fail answers with an error.
func (h *Handler) fail(w http.ResponseWriter, err error) { h.failWith(w, err, nil) }

// failWith answers with an error after part of the work was done.
func (h *Handler) failWith(w http.ResponseWriter, err error, o *outcome) {
	kind := vigil.KindOf(err)
	status := statusOf(kind)
	var f failure
	if errors.As(err, &f) {
		status = f.status
	}
	switch status {
	case http.StatusUnauthorized:
		h.stats.turned.Add(1)
		w.Header().Set("WWW-Authenticate", `Basic realm="vigil", charset="UTF-8"`)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
	case http.StatusInsufficientStorage:
		w.Header().Set("Retry-After", "30") // somebody makes room first
	case http.StatusInternalServerError:
		h.c.Log.Error("ingest request failed", "err", err)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	write(w, status, problem{http.StatusText(status), status, words(err), kind.String(), o})
}

// write writes JSON. A client that has gone is not an error.
func write(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// count counts what became of a message.
func (h *Handler) count(err error) {
	if err == nil {
		h.stats.acked.Add(1)
		return
	}
	switch {
	case vigil.Safe(err):
		h.stats.acked.Add(1)
		h.stats.quarantined.Add(1)
	default:
		h.stats.refused.Add(1)
	}
}
