package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/vigil-iomt/vigil/internal/running"
)

// A client talks to a FHIR server.
type client struct{ base, token string }

// serving runs f against a new, empty server.
func (b *bench) serving(ctx context.Context, args []string, f func(c *client) ([]outcome, error)) ([]outcome, error) {
	dir, err := os.MkdirTemp("", "vigil-conformance-")
	if err != nil {
		return nil, fmt.Errorf("make a data folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := running.Start(ctx, b.bin, filepath.Join(dir, "data"), args...)
	if err != nil {
		return nil, err
	}
	token, err := s.Token(ctx, "admin")
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	out, err := f(&client{base: s.URL + "/fhir", token: token})
	if end := s.Stop(); end != nil && err == nil {
		err = fmt.Errorf("stop the server: %w", end)
	}
	return out, err
}

// do sends a request; path is relative to the base.
func (c *client) do(ctx context.Context, method, path string, body []byte, header http.Header) (status int, answer []byte, err error) {
	target := c.base
	if path != "" {
		target += "/" + path
	}
	r, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Accept", "application/fhir+json")
	if body != nil {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for name, v := range header {
		r.Header[name] = v
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, fmt.Errorf("ask the server: %w", err)
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("read the answer: %w", err)
	}
	return res.StatusCode, answer, nil
}

// clip shortens an answer for a report.
func clip(b []byte) []byte {
	b = bytes.ReplaceAll(b, []byte("\n"), []byte(" "))
	return b[:min(len(b), 500)]
}

// wrong says what was wrong with an answer, nil when it has the status.
func wrong(what string, want, got int, answer []byte, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case got == want, want == 0 && got/100 == 2:
		return nil
	}
	return fmt.Errorf("%s: got %d: %s", what, got, clip(answer))
}
