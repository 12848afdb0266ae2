package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/vigil-iomt/vigil/app"
)

// A client talks to the running server through the socket in its data folder.
type client struct {
	http *http.Client
	data string
}

// client returns the client for the data folder that the command line names.
func (c *console) client() *client {
	path := (&app.Config{Data: c.data}).Socket()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &client{http: &http.Client{Transport: &http.Transport{DialContext: dial}}, data: c.data}
}

// call sends body as JSON (none when nil) and reads the answer into out.
func (cl *client) call(ctx context.Context, method, path string, body, out any) error {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("write request: %w", err)
		}
		r = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://vigil"+path, r)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := cl.http.Do(req)
	if err != nil {
		return cl.unreachable(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return problem(resp, text)
	}
	if out == nil || len(text) == 0 {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return nil
}

// errNotRunning is in the chain of an error when nobody answers at the socket.
var errNotRunning = errors.New("no server is running")

// unreachable explains why the server does not answer.
func (cl *client) unreachable(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		dir, _ := filepath.Abs(cl.data)
		return fmt.Errorf("%w on %s; start one with `vigil serve --data %s`, or name another folder with --data", errNotRunning, dir, cl.data)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("the socket in %s belongs to another user; run the command as the user that runs the server", cl.data)
	}
	return fmt.Errorf("talk to the server: %w", err)
}

// problem turns a problem+json answer into an error.
func problem(resp *http.Response, text []byte) error {
	var p struct {
		Title, Detail string
		Errors        []struct{ Message, Location string }
	}
	if json.Unmarshal(text, &p) != nil || (p.Detail == "" && p.Title == "") {
		return problemError{resp.StatusCode, resp.Status + ": " + strings.TrimSpace(string(text))}
	}
	msg := p.Detail
	if msg == "" {
		msg = p.Title
	}
	for _, e := range p.Errors {
		if e.Message == p.Detail {
			continue // said already
		}
		if e.Location != "" {
			msg += "\n  " + e.Location + ": " + e.Message
		} else {
			msg += "\n  " + e.Message
		}
	}
	return problemError{resp.StatusCode, msg}
}

// A problemError is what the server refused, with its HTTP status.
type problemError struct {
	status int
	msg    string
}

// Error returns the message.
func (e problemError) Error() string { return e.msg }

// asProblem tells whether err is a refusal by the server.
func asProblem(err error) (problemError, bool) {
	var p problemError
	return p, errors.As(err, &p)
}

// A table writes aligned columns.
type table struct{ w *tabwriter.Writer }

// row writes one row.
func (t *table) row(cells ...any) {
	text := make([]string, len(cells))
	for i, c := range cells {
		text[i] = fmt.Sprint(c)
	}
	fmt.Fprintln(t.w, strings.TrimRight(strings.Join(text, "\t"), "\t"))
}

// print writes v as JSON when the user asked for it, as a table otherwise.
func (c *console) print(v any, people func(*table)) error {
	if c.json {
		e := json.NewEncoder(c.out)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	t := &table{tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)}
	people(t)
	return t.w.Flush()
}
