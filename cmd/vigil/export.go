package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil/fhir/push"
	"github.com/vigil-iomt/vigil/internal/socket"
)

// exportCmd gives data to others.
type exportCmd struct {
	FHIR exportFHIRCmd `cmd:"" name:"fhir" help:"Export FHIR resources into a folder, or push them to another FHIR server."`
}

// exportFHIRCmd exports resources, readings among them.
type exportFHIRCmd struct {
	To     string        `help:"Base address of another FHIR server that gets everything as it is here." placeholder:"URL"`
	Token  string        `help:"Bearer token for the other server." env:"VIGIL_TO_TOKEN"`
	Out    string        `help:"Folder that gets NDJSON files." type:"path" placeholder:"DIR"`
	Since  string        `help:"Only what changed since then, RFC 3339. With --to: where the first push begins." placeholder:"TIME"`
	Type   []string      `help:"Only these types of resource." placeholder:"TYPE"`
	Follow bool          `help:"Go on with what changes, until interrupted."`
	Every  time.Duration `help:"How often --follow looks for changes." default:"10s"`
	Batch  int           `help:"Resources in one Bundle." default:"100"`
	Tries  int           `help:"How often a Bundle is tried before the push ends." default:"10"`
	Again  bool          `help:"Push everything again, not only what changed since the last push."`
}

// Run exports.
func (cmd exportFHIRCmd) Run(c *console) error {
	switch {
	case (cmd.To == "") == (cmd.Out == ""):
		return usageError("name either --to URL or --out DIR")
	case cmd.Follow && cmd.To == "":
		return usageError("--follow goes with --to")
	case cmd.Batch < 1 || cmd.Batch > 5000:
		return usageError("--batch is 1 to 5000")
	case cmd.Tries < 1 || cmd.Every <= 0:
		return usageError("--tries and --every are more than 0")
	}
	if cmd.Since != "" {
		if _, err := time.Parse(time.RFC3339, cmd.Since); err != nil {
			return usageError("--since is a time such as 2026-03-01T00:00:00Z")
		}
	}
	cl := c.client()
	from := &push.Bulk{Client: cl.http, Base: socket.Base + "/fhir"}
	if !c.json {
		from.Progress = func(s string) { fmt.Fprintln(c.err, s) }
	}
	var err error
	if cmd.Out != "" {
		err = cmd.write(c, from)
	} else {
		err = cmd.push(c, from)
	}
	var unreached *url.Error
	if errors.As(err, &unreached) && strings.HasPrefix(unreached.URL, socket.Base) {
		return cl.unreachable(unreached)
	}
	return err
}

// write writes files into a folder.
func (cmd exportFHIRCmd) write(c *console, from *push.Bulk) error {
	q := url.Values{}
	if len(cmd.Type) > 0 {
		q.Set("_type", strings.Join(cmd.Type, ","))
	}
	if cmd.Since != "" {
		q.Set("_since", cmd.Since)
	}
	if err := os.MkdirAll(cmd.Out, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	job, err := from.Start(c.ctx, q)
	if err != nil {
		return err
	}
	m, err := from.Wait(c.ctx, job)
	if err != nil {
		return err
	}
	type written struct {
		File      string `json:"file"`
		Type      string `json:"type"`
		Resources int64  `json:"resources"`
	}
	var list []written
	numbers := map[string]int{}
	for _, group := range []struct {
		prefix string
		files  []push.File
	}{{"", m.Output}, {"deleted-", m.Deleted}, {"error-", m.Error}} {
		for _, f := range group.files {
			name := group.prefix + filepath.Base(f.Type)
			numbers[name]++
			file := fmt.Sprintf("%s-%d.ndjson", name, numbers[name])
			if err := download(c.ctx, from, f.URL, filepath.Join(cmd.Out, file)); err != nil {
				return err
			}
			list = append(list, written{file, f.Type, f.Count})
		}
	}
	if err := from.Remove(c.ctx, job); err != nil {
		return err
	}
	return c.print(map[string]any{"transactionTime": m.TransactionTime, "files": list}, func(t *table) {
		for _, w := range list {
			t.row(w.File, w.Resources)
		}
		t.row("as of", m.TransactionTime)
	})
}

// download writes one file of an export.
func download(ctx context.Context, from *push.Bulk, address, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) // #nosec G304 -- in the folder that the user names
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	w := bufio.NewWriter(f)
	err = from.Lines(ctx, address, 0, func(line []byte) error {
		_, err := w.Write(append(line, '\n'))
		return err
	})
	return errors.Join(err, w.Flush(), f.Close())
}

// push carries resources into another server. How far it got is kept in the data
// folder: a push that ended early goes on there, and the next one has only what
// changed since.
func (cmd exportFHIRCmd) push(c *console, from *push.Bulk) error {
	k, err := keepPush(c.data, cmd.To, cmd.Type)
	if err != nil {
		return err
	}
	to, err := push.New(push.Config{
		To: cmd.To, Token: cmd.Token, Tries: cmd.Tries, Dead: k.dead,
		Log: func(format string, args ...any) { fmt.Fprintf(c.err, format+"\n", args...) },
	})
	if err != nil {
		return usageError("--to: " + err.Error())
	}
	place, err := k.read()
	if err != nil {
		return err
	}
	if cmd.Again {
		place = push.Place{}
	}
	if place == (push.Place{}) {
		place.Since = cmd.Since
	}
	t := &push.Transfer{From: from, To: to, Types: cmd.Type, Batch: cmd.Batch, Place: place, Keep: k.keep}
	for {
		if err := t.Run(c.ctx); err != nil {
			if cmd.Follow && c.ctx.Err() != nil {
				break // it was interrupted, and goes on there
			}
			return fmt.Errorf("%w (what was pushed is noted; the same command goes on there)", err)
		}
		if !cmd.Follow {
			break
		}
		if wait(c.ctx, cmd.Every) != nil {
			break
		}
	}
	out := struct {
		To      string `json:"to"`
		Pushed  int64  `json:"pushed"`
		Refused int64  `json:"refused"`
		Dead    string `json:"dead,omitempty"`
		Since   string `json:"since"`
	}{cmd.To, to.Sent, to.Refused, "", t.Place.Since}
	if to.Refused > 0 {
		out.Dead = k.letters
	}
	return c.print(out, func(w *table) {
		w.row("pushed", out.Pushed)
		if out.Refused > 0 {
			w.row("refused", out.Refused, "listed in "+out.Dead)
		}
		w.row("as of", out.Since)
	})
}

// wait waits, or until ctx is done.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A pushKeep keeps how far a push to one server got, and what it refused.
type pushKeep struct{ place, letters string }

func keepPush(data, to string, types []string) (*pushKeep, error) {
	dir := filepath.Join(data, "push")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	sum := sha256.Sum256([]byte(strings.TrimSuffix(to, "/") + " " + strings.Join(types, ",")))
	name := filepath.Join(dir, hex.EncodeToString(sum[:8]))
	return &pushKeep{name + ".json", name + ".refused.ndjson"}, nil
}

func (k *pushKeep) read() (p push.Place, err error) {
	text, err := os.ReadFile(k.place)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return p, fmt.Errorf("read how far the push got: %w", err)
	}
	return p, nil
}

func (k *pushKeep) keep(p push.Place) error {
	text, err := json.Marshal(p)
	if err == nil {
		err = os.WriteFile(k.place+".new", append(text, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(k.place+".new", k.place)
	}
	if err != nil {
		return fmt.Errorf("note how far the push got: %w", err)
	}
	return nil
}

// dead lists what the other server refuses.
func (k *pushKeep) dead(l push.Letter) error {
	f, err := os.OpenFile(k.letters, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("list what was refused: %w", err)
	}
	_, err = f.Write(l.Encode())
	return errors.Join(err, f.Close())
}
