package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vigil-iomt/vigil"
)

// A route says what a handler does and where.
type route struct {
	action  vigil.Action // also the operation's id in OpenAPI
	method  string
	path    string
	summary string
}

// answer is a JSON body.
type answer[T any] struct{ Body T }

// said wraps a body.
func said[T any](v T) *answer[T] { return &answer[T]{v} }

// handle registers a route: it asks policy, acts, and turns errors into problem
// documents.
func handle[I, O any](s *server, r route, do func(context.Context, *I) (*O, error)) {
	room, _, _ := strings.Cut(string(r.action), ".")
	op := huma.Operation{
		OperationID: string(r.action), Method: r.method, Path: r.path, Summary: r.summary, Tags: []string{room},
		Errors: []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity},
	}
	if strings.Contains(r.path, "{") || r.method != http.MethodGet {
		op.Errors = append(op.Errors, http.StatusNotFound)
	}
	if r.method != http.MethodGet {
		op.Errors = append(op.Errors, http.StatusConflict)
	}
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*O, error) {
		if err := s.allowed(ctx, r); err != nil {
			return nil, s.problem(ctx, r, err)
		}
		out, err := do(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, r, err)
		}
		return out, nil
	})
}

// allowed asks policy. Whoever writes must be known.
func (s *server) allowed(ctx context.Context, r route) error {
	a, known := vigil.ActorFrom(ctx)
	if !known && r.method != http.MethodGet {
		return vigil.Errorf(vigil.Unknown, "nobody is named as the author of this change")
	}
	if s.c.Permit == nil {
		return nil
	}
	return s.c.Permit(a, r.action)
}

// status maps each kind of error to its HTTP status.
func status(k vigil.Kind) int {
	switch k {
	case vigil.Invalid:
		return http.StatusUnprocessableEntity
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

// problem turns an error into a problem document (RFC 9457). What nobody
// classified is logged here and hidden from the outside.
func (s *server) problem(ctx context.Context, r route, err error) error {
	kind := vigil.KindOf(err)
	if errors.Is(err, context.Canceled) {
		kind = vigil.Unavailable
	}
	code := status(kind)
	p := &huma.ErrorModel{Status: code, Title: http.StatusText(code)}
	var e *vigil.Error
	if kind == vigil.Internal || !errors.As(err, &e) {
		s.c.Log.ErrorContext(ctx, "request failed", "action", string(r.action), "error", err)
		p.Detail = "something went wrong inside; the server's log says what"
		return p
	}
	p.Detail = e.Msg
	if p.Detail == "" {
		p.Detail = kind.String()
	}
	if e.Path != "" {
		p.Errors = []*huma.ErrorDetail{{Message: e.Msg, Location: e.Path}}
	}
	headers := http.Header{}
	switch kind {
	case vigil.Overloaded, vigil.Unavailable, vigil.Full:
		headers.Set("Retry-After", "1")
	case vigil.Unknown:
		headers.Set("WWW-Authenticate", "Bearer")
	default:
		return p
	}
	return huma.ErrorWithHeaders(p, headers)
}

// invalid says what is wrong with a parameter.
func invalid(path, msg string) error {
	return &vigil.Error{Kind: vigil.Invalid, Path: path, Msg: msg}
}
