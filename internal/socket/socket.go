// Package socket speaks JSON with a running server through the socket in its
// data folder.
package socket

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
)

// Base is the address of the server behind the socket; its host is not looked
// up.
const Base = "http://vigil"

// Client returns a client whose every connection goes to the socket at path.
func Client(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 64,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}}
}

// A Refusal is an answer with a status of 400 or more.
type Refusal struct {
	Method, Path string
	Code         int
	Status       string // as in the answer, "404 Not Found"
	Body         []byte
}

// Error returns the request, the status and the body.
func (r *Refusal) Error() string {
	return fmt.Sprintf("%s %s: %s: %s", r.Method, r.Path, r.Status, bytes.TrimSpace(r.Body))
}

// Call sends in as JSON (no body when nil) and reads the answer into out (not
// read when nil). The error is a *Refusal when the
// server refused, and has a *url.Error in its chain when it was not reached.
func Call(ctx context.Context, c *http.Client, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("write request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, Base+path, body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.Do(req)
	if err != nil {
		return fmt.Errorf("ask server: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return &Refusal{Method: method, Path: path, Code: resp.StatusCode, Status: resp.Status, Body: text}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	return nil
}
