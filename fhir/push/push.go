// Package push writes resources into another FHIR server, whatever product it
// is: Bundles of type batch with PUT and DELETE (FHIR R4 http.html#transaction),
// tried again when the server is not there or busy. What it refuses for good is
// told and the rest goes on.
package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// Config says where to and how.
type Config struct {
	To     string // address of the base
	Token  string // bearer token, "" for none
	Client *http.Client
	// Tries is how often a Bundle is sent before the push gives up, 0 means 10;
	// Wait is the first pause between, 0 means a second: each is twice the one
	// before, up to a minute, or what Retry-After says.
	Tries int
	Wait  time.Duration
	// Sleep waits; nil waits for real.
	Sleep func(ctx context.Context, d time.Duration) error
	// Dead is told what the server refuses for good.
	Dead func(Letter) error
	// Log is told what is tried again; nil tells nobody.
	Log func(format string, args ...any)
}

// A Letter is a resource that could not be delivered. It has no content: the
// resource is still where it came from.
type Letter struct {
	Type    string        `json:"type"`
	ID      string        `json:"id"`
	Method  string        `json:"method"`
	Status  string        `json:"status"`
	Outcome string        `json:"outcome,omitempty"` // issue codes
	At      vigil.Instant `json:"at"`
}

// An Item is one resource that is to be as it is here.
type Item struct {
	Type, ID string
	Body     []byte // as JSON; nil deletes it
}

// ItemOf reads an item from a line of NDJSON.
func ItemOf(line []byte) (Item, error) {
	doc, err := tree.Parse(bytes.Clone(line))
	if err != nil {
		return Item{}, fmt.Errorf("read resource: %w", err)
	}
	root := doc.Root()
	i := Item{Type: root.Get("resourceType").Text(), ID: root.Get("id").Text(), Body: doc.Bytes()}
	if i.Type == "" || !vigil.ValidID(i.ID) {
		return i, vigil.Errorf(vigil.Invalid, "a line is no resource with an id")
	}
	return i, nil
}

// DeletedOf reads what a line of a file of deletions names (Bulk Data Access,
// manifest.deleted).
func DeletedOf(line []byte) ([]Item, error) {
	doc, err := tree.Parse(bytes.Clone(line))
	if err != nil {
		return nil, fmt.Errorf("read deletions: %w", err)
	}
	var out []Item
	for e := range doc.Root().Get("entry").Items() {
		typ, id, ok := strings.Cut(e.Get("request").Get("url").Text(), "/")
		if ok && e.Get("request").Get("method").Text() == http.MethodDelete && vigil.ValidID(id) {
			out = append(out, Item{Type: typ, ID: id})
		}
	}
	return out, nil
}

// A Pusher pushes. It is not for several goroutines.
type Pusher struct {
	c       Config
	waiting []Item // that were refused, perhaps for what they refer to
	held    int    // bytes of waiting
	Sent    int64  // that the other server has taken
	Refused int64  // that it will not take
}

// maxHeld bounds what waits for a second try.
const maxHeld = 64 << 20

// New returns a pusher.
func New(c Config) (*Pusher, error) {
	u, err := url.Parse(c.To)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, vigil.Errorf(vigil.Invalid, "the address of a FHIR server is http://… or https://…")
	}
	c.To = strings.TrimSuffix(c.To, "/")
	if c.Client == nil {
		c.Client = &http.Client{Timeout: 5 * time.Minute}
	}
	if c.Tries == 0 {
		c.Tries = 10
	}
	if c.Wait == 0 {
		c.Wait = time.Second
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	if c.Log == nil {
		c.Log = func(string, ...any) {}
	}
	return &Pusher{c: c}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Send pushes items. When it returns nil each was taken, or waits for Settle, or
// is a dead letter.
func (p *Pusher) Send(ctx context.Context, items []Item) error {
	refused, err := p.send(ctx, items)
	for _, r := range refused {
		p.waiting = append(p.waiting, r.Item)
		p.held += len(r.Body)
	}
	if err == nil && p.held > maxHeld {
		err = p.Settle(ctx)
	}
	return err
}

// Settle tries once more what was refused: what it refers to may be there by
// now. What is refused again is a dead letter.
func (p *Pusher) Settle(ctx context.Context) error {
	for len(p.waiting) > 0 {
		before := len(p.waiting)
		items := p.waiting
		p.waiting, p.held = nil, 0
		var dead []refusal
		for some := range slices.Chunk(items, 100) {
			refused, err := p.send(ctx, some)
			if err != nil {
				return err
			}
			dead = append(dead, refused...)
		}
		if len(dead) < before { // some help others
			for _, r := range dead {
				p.waiting = append(p.waiting, r.Item)
			}
			continue
		}
		for _, r := range dead {
			p.Refused++
			l := Letter{Type: r.Type, ID: r.ID, Method: r.method(), Status: r.status, Outcome: r.outcome, At: vigil.InstantOf(time.Now())}
			if err := p.c.Dead(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// A refusal is what the other server said of an item.
type refusal struct {
	Item
	status, outcome string
}

func (i Item) method() string {
	if i.Body == nil {
		return http.MethodDelete
	}
	return http.MethodPut
}

// send sends items as one Bundle, and in halves when that is too large.
func (p *Pusher) send(ctx context.Context, items []Item) ([]refusal, error) {
	var refused []refusal
	for again := 0; len(items) > 0; again++ {
		answer, status, err := p.post(ctx, items)
		if err != nil {
			return refused, err
		}
		if status == http.StatusRequestEntityTooLarge && len(items) > 1 {
			first, err := p.send(ctx, items[:len(items)/2])
			if err != nil {
				return append(refused, first...), err
			}
			second, err := p.send(ctx, items[len(items)/2:])
			return slices.Concat(refused, first, second), err
		}
		if status != http.StatusOK {
			if len(items) == 1 { // it is the item
				return append(refused, refusal{items[0], strconv.Itoa(status), codes(answer)}), nil
			}
			for _, i := range items { // which of them it is shows when each goes alone
				one, err := p.send(ctx, []Item{i})
				refused = append(refused, one...)
				if err != nil {
					return refused, err
				}
			}
			return refused, nil
		}
		busy, no, err := p.sort(items, answer)
		if err != nil {
			return refused, err
		}
		refused = append(refused, no...)
		if items = busy; len(items) > 0 {
			if again >= p.c.Tries {
				return refused, vigil.Errorf(vigil.Unavailable, "the server at %s stays too busy", p.c.To)
			}
			if err := p.c.Sleep(ctx, p.pause(again, "")); err != nil {
				return refused, err
			}
		}
	}
	return refused, nil
}

// sort finds out what became of each item: taken, to be sent again, or refused.
func (p *Pusher) sort(items []Item, answer []byte) (busy []Item, refused []refusal, err error) {
	doc, err := tree.Parse(answer)
	if err != nil {
		return nil, nil, vigil.Errorf(vigil.Unavailable, "the answer of the server at %s is no Bundle: %w", p.c.To, err)
	}
	entries := doc.Root().Get("entry")
	if entries.Len() != len(items) {
		return nil, nil, vigil.Errorf(vigil.Unavailable, "the server at %s answers %d of %d entries", p.c.To, entries.Len(), len(items))
	}
	for k, i := range items {
		response := entries.At(k).Get("response")
		status, _, _ := strings.Cut(response.Get("status").Text(), " ")
		switch code, _ := strconv.Atoi(status); {
		case code >= 200 && code < 300, i.Body == nil && (code == http.StatusNotFound || code == http.StatusGone):
			p.Sent++
		case code >= 500 || transient(code):
			busy = append(busy, i)
		default:
			refused = append(refused, refusal{i, status, codes(response.Get("outcome").Raw())})
		}
	}
	return busy, refused, nil
}

// transient tells whether a refusal may be another one in a moment.
func transient(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusLocked, http.StatusTooEarly:
		return true
	}
	return false
}

// codes lists the codes of the issues of an OperationOutcome.
func codes(outcome []byte) string {
	doc, err := tree.Parse(outcome)
	if err != nil {
		return ""
	}
	var out []string
	for i := range doc.Root().Get("issue").Items() {
		if c := i.Get("code").Text(); !slices.Contains(out, c) && len(out) < 5 {
			out = append(out, c)
		}
	}
	return strings.Join(out, ",")
}

// bundle is items as a Bundle of type batch.
func bundle(items []Item) []byte {
	w := tree.NewWriter(nil)
	w.Object().Text("resourceType", "Bundle").Text("type", "batch").Name("entry").Array()
	for _, i := range items {
		w.Object()
		if i.Body != nil {
			w.Member("resource", i.Body)
		}
		w.Name("request").Object().Text("method", i.method()).Text("url", i.Type+"/"+i.ID).End().End()
	}
	return w.End().End().Bytes()
}

// errAuth says that the other server does not let us in: nothing is a dead letter
// for that.
var errAuth = errors.New("the server does not let this client in")

// post sends a Bundle, again as long as the server is not there or busy.
func (p *Pusher) post(ctx context.Context, items []Item) ([]byte, int, error) {
	body := bundle(items)
	var last error
	for try := range p.c.Tries {
		answer, status, after, err := p.postOnce(ctx, body)
		switch {
		case ctx.Err() != nil:
			return nil, 0, ctx.Err()
		case err == nil && (status == http.StatusUnauthorized || status == http.StatusForbidden):
			return nil, 0, fmt.Errorf("%w: %s answers %d", errAuth, p.c.To, status)
		case err == nil && status < 500 && !transient(status):
			return answer, status, nil
		case err == nil:
			last = fmt.Errorf("%s answers %d", p.c.To, status)
		default:
			last = err
		}
		wait := p.pause(try, after)
		p.c.Log("%v; tried again in %s", last, wait)
		if err := p.c.Sleep(ctx, wait); err != nil {
			return nil, 0, err
		}
	}
	return nil, 0, vigil.Errorf(vigil.Unavailable, "tried %d times: %w", p.c.Tries, last)
}

// pause is how long to wait behind a try.
func (p *Pusher) pause(try int, after string) time.Duration {
	const most = time.Minute
	if n, err := strconv.Atoi(after); err == nil && n >= 0 {
		return min(time.Duration(n)*time.Second, most)
	}
	return min(p.c.Wait<<min(try, 10), most)
}

// maxAnswer bounds the answer to a Bundle.
const maxAnswer = 64 << 20

func (p *Pusher) postOnce(ctx context.Context, body []byte) (answer []byte, status int, after string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.c.To, bytes.NewReader(body))
	if err != nil {
		return nil, 0, "", fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", "application/fhir+json")
	r.Header.Set("Accept", "application/fhir+json")
	r.Header.Set("Prefer", "return=minimal")
	if p.c.Token != "" {
		r.Header.Set("Authorization", "Bearer "+p.c.Token)
	}
	a, err := p.c.Client.Do(r)
	if err != nil {
		return nil, 0, "", fmt.Errorf("push: %w", err)
	}
	answer, err = io.ReadAll(io.LimitReader(a.Body, maxAnswer))
	return answer, a.StatusCode, a.Header.Get("Retry-After"), errors.Join(err, a.Body.Close())
}

// Encode writes a letter as a line of JSON.
func (l Letter) Encode() []byte {
	b, err := json.Marshal(l)
	if err != nil {
		panic("push: " + err.Error()) // nothing in it can fail
	}
	return append(b, '\n')
}
