package push_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil/fhir/push"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// An other is another server, as far as a push sees it. It refuses references to
// what it does not have.
type other struct {
	t      *testing.T
	has    map[string]string
	ill    []int         // statuses of the next Bundles, instead of an answer
	busy   int           // entries that are busy
	size   int           // entries of a Bundle that are too many; 0: none
	posts  int           // Bundles that came
	waited time.Duration // that was waited between them
	dead   []string
	auth   string
}

func (o *other) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.posts++
	o.auth = r.Header.Get("Authorization")
	if len(o.ill) > 0 {
		status := o.ill[0]
		o.ill = o.ill[1:]
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		o.t.Error(err)
	}
	doc, err := tree.Parse(body)
	if err != nil {
		o.t.Errorf("%v: %s", err, body)
		return
	}
	entries := doc.Root().Get("entry")
	if o.size > 0 && entries.Len() > o.size {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	var out []string
	for e := range entries.Items() {
		out = append(out, `{"response":{"status":"`+o.entry(e)+`"}}`)
	}
	fmt.Fprintf(w, `{"resourceType":"Bundle","type":"batch-response","entry":[%s]}`, strings.Join(out, ","))
}

func (o *other) entry(e tree.Node) string {
	name := e.Get("request").Get("url").Text()
	r := e.Get("resource")
	refers := r.Get("subject").Get("reference").Text()
	switch {
	case o.busy > 0:
		o.busy--
		return "503 Service Unavailable"
	case e.Get("request").Get("method").Text() == http.MethodDelete && o.has[name] == "":
		return "404 Not Found"
	case e.Get("request").Get("method").Text() == http.MethodDelete:
		delete(o.has, name)
		return "204 No Content"
	case refers != "" && o.has[refers] == "":
		return `422 Unprocessable","outcome":{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"}]},"etag":"`
	}
	o.has[name] = string(r.Raw())
	return "201 Created"
}

// pusher pushes to the other server, in no time.
func (o *other) pusher(tries int) *push.Pusher {
	o.t.Helper()
	server := httptest.NewServer(o)
	o.t.Cleanup(server.Close)
	p, err := push.New(push.Config{
		To: server.URL + "/fhir/", Token: "secret", Tries: tries,
		Sleep: func(_ context.Context, d time.Duration) error { o.waited += d; return nil },
		Dead: func(l push.Letter) error {
			o.dead = append(o.dead, fmt.Sprint(l.Method, " ", l.Type, "/", l.ID, " ", l.Status, " ", l.Outcome))
			return nil
		},
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

func items(t *testing.T, lines ...string) []push.Item {
	t.Helper()
	var out []push.Item
	for _, l := range lines {
		i, err := push.ItemOf([]byte(l))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, i)
	}
	return out
}

const (
	anna  = `{"resourceType":"Patient","id":"anna"}`
	pulse = `{"resourceType":"Observation","id":"o","subject":{"reference":"Patient/anna"},"valueQuantity":{"value":1.50}}`
	lost  = `{"resourceType":"Observation","id":"lost","subject":{"reference":"Patient/nobody"}}`
)

func TestPush(t *testing.T) {
	o := &other{t: t, has: map[string]string{}}
	p := o.pusher(3)
	// What refers to something that comes later is taken in the end; what refers
	// to nothing is a dead letter.
	if err := p.Send(t.Context(), items(t, pulse, lost)); err != nil {
		t.Fatal(err)
	}
	if err := p.Send(t.Context(), items(t, anna)); err != nil {
		t.Fatal(err)
	}
	if err := p.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if o.has["Observation/o"] != pulse || o.has["Patient/anna"] != anna || p.Sent != 2 || p.Refused != 1 || o.auth != "Bearer secret" {
		t.Errorf("%v, %d sent, %d refused", o.has, p.Sent, p.Refused)
	}
	if want := []string{"PUT Observation/lost 422 not-found"}; !slices.Equal(o.dead, want) {
		t.Errorf("dead letters: %q", o.dead)
	}
	gone, err := push.DeletedOf([]byte(`{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/anna"}},{"request":{"method":"DELETE","url":"Patient/never"}},{"request":{"method":"GET","url":"Patient/x"}}]}`))
	if err != nil || len(gone) != 2 {
		t.Fatal(gone, err)
	}
	if err := p.Send(t.Context(), gone); err != nil || o.has["Patient/anna"] != "" || p.Sent != 4 {
		t.Errorf("deleted: %v, %d sent, %v", o.has, p.Sent, err)
	}
}

func TestPushTriesAgain(t *testing.T) {
	for _, c := range []struct {
		says   string
		other  other
		tries  int
		posts  int
		waited time.Duration
		fails  string
	}{
		{says: "at once", tries: 3, posts: 1},
		{says: "a server that is busy twice", other: other{ill: []int{503, 429}}, tries: 3, posts: 3, waited: 14 * time.Second},
		{says: "a server that stays away", other: other{ill: []int{502, 502, 502, 502}}, tries: 3, posts: 3, waited: 21 * time.Second, fails: "tried 3 times"},
		{says: "an entry that is busy", other: other{busy: 1}, tries: 3, posts: 3, waited: time.Second},
		{says: "entries that stay busy", other: other{busy: 100}, tries: 3, posts: 4, waited: 7 * time.Second, fails: "too busy"},
		{says: "a Bundle that is too large", other: other{size: 1}, tries: 3, posts: 3},
		{says: "a server that lets nobody in", other: other{ill: []int{401}}, tries: 3, posts: 1, fails: "does not let this client in"},
		{says: "a server that refuses the Bundle", other: other{ill: []int{400}}, tries: 3, posts: 3},
	} {
		t.Run(c.says, func(t *testing.T) {
			o := &c.other
			o.t, o.has = t, map[string]string{}
			p := o.pusher(c.tries)
			err := p.Send(t.Context(), items(t, anna, pulse))
			if err == nil {
				err = p.Settle(t.Context())
			}
			if c.fails == "" && (err != nil || len(o.has) != 2) || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("%v, %v", err, o.has)
			}
			if o.posts != c.posts || o.waited != c.waited {
				t.Errorf("%d Bundles, waited %s; want %d, %s", o.posts, o.waited, c.posts, c.waited)
			}
		})
	}
}

func TestPushTakesNoWrongAddress(t *testing.T) {
	for _, to := range []string{"", "fhir", "ftp://a/b", "http://"} {
		if _, err := push.New(push.Config{To: to}); err == nil {
			t.Errorf("%q is taken", to)
		}
	}
	for _, line := range []string{"", "{", "{}", `{"resourceType":"Patient"}`, `{"resourceType":"Patient","id":"a/b"}`} {
		if _, err := push.ItemOf([]byte(line)); err == nil {
			t.Errorf("%q is an item", line)
		}
	}
}

// A past is a server that exports, one file of Patients and one of deletions.
type past struct {
	t       *testing.T
	lines   []string
	gone    bool // the job has expired
	starts  []string
	removed int
}

func (s *past) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	base := "http://" + r.Host
	switch {
	case r.URL.Path == "/$export":
		s.starts = append(s.starts, r.URL.RawQuery)
		s.gone = false
		w.Header().Set("Content-Location", base+"/job")
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodDelete:
		s.removed++
		w.WriteHeader(http.StatusAccepted)
	case s.gone:
		w.WriteHeader(http.StatusNotFound)
	case r.URL.Path == "/job":
		file := []map[string]any{{"type": "Patient", "url": base + "/file"}}
		deleted := []map[string]any{{"type": "Bundle", "url": base + "/deleted"}}
		if err := json.NewEncoder(w).Encode(map[string]any{"transactionTime": "2026-03-01T00:00:00.000Z", "output": file, "deleted": deleted}); err != nil {
			s.t.Error(err)
		}
	case r.URL.Path == "/file":
		fmt.Fprintln(w, strings.Join(s.lines, "\n"))
	default:
		fmt.Fprintln(w, `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/old"}}]}`)
	}
}

// TestTransferGoesOn ends a transfer in its middle, and goes on.
func TestTransferGoesOn(t *testing.T) {
	s := &past{t: t}
	for i := range 10 {
		s.lines = append(s.lines, fmt.Sprintf(`{"resourceType":"Patient","id":"p%d"}`, i))
	}
	server := httptest.NewServer(s)
	defer server.Close()
	o := &other{t: t, has: map[string]string{"Patient/old": "{}"}}
	var place push.Place
	keep := func(p push.Place) error { place = p; return nil }
	run := func(fail func(push.Place) error) error {
		tr := &push.Transfer{
			From: &push.Bulk{Client: server.Client(), Base: server.URL}, To: o.pusher(2), Types: []string{"Patient"}, Batch: 3, Place: place, Keep: fail,
		}
		return tr.Run(t.Context())
	}
	broken := errors.New("the machine stops")
	err := run(func(p push.Place) error {
		if p.Line == 6 {
			return errors.Join(keep(p), broken)
		}
		return keep(p)
	})
	if !errors.Is(err, broken) || place.Line != 6 || place.Job == "" {
		t.Fatalf("%v, %+v", err, place)
	}
	before := o.posts
	if err := run(keep); err != nil {
		t.Fatal(err)
	}
	if len(o.has) != 10 || o.posts-before != 3 || place != (push.Place{Since: "2026-03-01T00:00:00.000Z"}) || len(s.starts) != 1 || s.removed != 1 {
		t.Errorf("%d there, %d Bundles, %+v, %q", len(o.has), o.posts-before, place, s.starts)
	}
	// The next has only what changed since; one that has expired begins anew.
	place.Job, s.gone = server.URL+"/job", true
	if err := run(keep); err != nil {
		t.Fatal(err)
	}
	if want := (url.Values{"_type": {"Patient"}, "_since": {"2026-03-01T00:00:00.000Z"}}).Encode(); s.starts[len(s.starts)-1] != want {
		t.Errorf("asked for %q, want %q", s.starts, want)
	}
}

// FuzzAnswer pushes to a server that answers anything.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"entry":[{"response":{"status":"201"}}]}`, `{"entry":[{"response":{"status":"500"}}]}`, `{"entry":[null]}`, `[]`, `{"entry":[{"response":{"status":"422","outcome":[]}}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		client := &http.Client{Transport: canned(answer)}
		p, err := push.New(push.Config{
			To: "http://other.test/fhir", Client: client, Tries: 2, Dead: func(push.Letter) error { return nil },
			Sleep: func(context.Context, time.Duration) error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		err = p.Send(t.Context(), items(t, anna))
		if err == nil {
			err = p.Settle(t.Context())
		}
		if err == nil && p.Sent+p.Refused != 1 {
			t.Errorf("%d sent, %d refused of 1", p.Sent, p.Refused)
		}
	})
}

// canned answers everything with the same.
type canned []byte

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(c)))}, nil
}
