package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/vigil-iomt/vigil/app"
	"github.com/vigil-iomt/vigil/internal/socket"
)

// A client talks to the running server through the socket in its data folder.
type client struct {
	http *http.Client
	data string
}

// client returns the client for the data folder that the command line names.
func (c *console) client() *client {
	return &client{http: socket.Client((&app.Config{Data: c.data}).Socket()), data: c.data}
}

// call sends body as JSON (none when nil) and reads the answer into out.
func (cl *client) call(ctx context.Context, method, path string, body, out any) error {
	err := socket.Call(ctx, cl.http, method, path, body, out)
	var refused *socket.Refusal
	if errors.As(err, &refused) {
		return problem(refused)
	}
	var unreached *url.Error
	if errors.As(err, &unreached) {
		return cl.unreachable(unreached)
	}
	return err
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
func problem(r *socket.Refusal) error {
	var p struct {
		Title, Detail string
		Errors        []struct{ Message, Location string }
	}
	if json.Unmarshal(r.Body, &p) != nil || (p.Detail == "" && p.Title == "") {
		return problemError{r.Code, r.Status + ": " + strings.TrimSpace(string(r.Body))}
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
	return problemError{r.Code, msg}
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
