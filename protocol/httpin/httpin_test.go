package httpin_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/protocol/httpin"
	"github.com/vigil-iomt/vigil/protocol/protocoltest"
)

// serve runs a handler behind a real server.
func serve(t testing.TB, c httpin.Config, sink vigil.Sink) (h *httpin.Handler, base string, stop func() error) {
	t.Helper()
	if c.Auth == nil {
		c.Auth = protocoltest.NewDevices()
	}
	h = httpin.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- h.Run(ctx, sink) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-result
	})
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		_ = stop()
		server.Close()
	})
	for { // until Run has begun; whoever is not logged in is refused before that
		r, err := try(server.URL+"/ingest/v1/messages", nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.status != http.StatusServiceUnavailable {
			return h, server.URL, stop
		}
	}
}

// A reply is what the server answered.
type reply struct {
	Accepted    int
	Repeated    int
	Quarantined []struct {
		Line       int
		ID, Reason string
	}
	Refused []struct {
		Line         int
		Kind, Reason string
	}
	Title, Detail, Kind string
	status              int
	header              http.Header
	raw                 string
}

// post sends a body as pump-1, unless headers say otherwise.
func post(t testing.TB, url string, body []byte, headers ...string) reply {
	t.Helper()
	r, err := try(url, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func try(url string, body []byte, headers ...string) (reply, error) {
	var r reply
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return r, err
	}
	req.SetBasicAuth("pump-1", "secret-1")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return r, err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return r, err
	}
	r.status, r.header, r.raw = resp.StatusCode, resp.Header, string(b)
	_ = json.Unmarshal(b, &r) // a body that is not JSON shows in the assertions
	return r, nil
}

// as is the header of a login.
func as(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
}

// speaker is a client of one of the two routes.
type speaker struct {
	base  string
	id    vigil.DeviceID
	login string
	batch bool
}

func (s *speaker) Send(ctx context.Context, m protocoltest.Message) error {
	if m.Device == "" {
		m.Device = s.id
	}
	target, body := "", m.Payload
	if s.batch {
		target = s.base + "/ingest/v1/messages"
		line := map[string]any{"device": m.Device, "payload": map[string]any{"base64": m.Payload}}
		if m.Channel != "" {
			line["channel"] = m.Channel
		}
		if m.ID != "" {
			line["id"] = m.ID
		}
		var err error
		if body, err = json.Marshal(line); err != nil {
			return err
		}
	} else {
		target = s.base + "/ingest/v1/devices/" + url.PathEscape(string(m.Device)) + "/messages?channel=" + url.QueryEscape(m.Channel)
	}
	headers := []string{"Authorization", s.login}
	if m.ID != "" {
		headers = append(headers, "X-Message-Id", m.ID)
	}
	r, err := try(target, body, headers...)
	if err == nil && r.status/100 != 2 {
		err = fmt.Errorf("status %d: %s", r.status, r.raw)
	}
	if err == nil && r.Accepted+len(r.Quarantined) != 1 {
		err = fmt.Errorf("success without a message: %s", r.raw)
	}
	return err
}

func (s *speaker) Close() {}

func TestContract(t *testing.T) {
	for _, batch := range []bool{false, true} {
		t.Run(fmt.Sprintf("batch %v", batch), func(t *testing.T) {
			protocoltest.Suite{Start: func(t *testing.T, o protocoltest.Options) protocoltest.Server {
				_, base, stop := serve(t, httpin.Config{Auth: o.Auth, MaxPayload: o.MaxPayload, Drain: o.Drain, Now: o.Now}, o.Sink)
				return protocoltest.Server{
					Stop: stop,
					Raw:  func() (net.Conn, error) { return net.Dial("tcp", strings.TrimPrefix(base, "http://")) },
					Dial: func(id vigil.DeviceID, secret string) (protocoltest.Speaker, error) {
						return &speaker{base, id, as(string(id), secret), batch}, nil
					},
				}
			}}.Run(t)
		})
	}
}

const (
	single = "/ingest/v1/devices/pump-1/messages"
	many   = "/ingest/v1/messages"
)

func TestSingleStatus(t *testing.T) {
	sink := protocoltest.NewSink(func(m vigil.Message, done func(error)) {
		switch string(m.Payload) {
		case "quarantine":
			done(&vigil.Refusal{Pos: "line 1 column 2", Reason: "not a number", Entry: "q-1"})
		case "full":
			done(vigil.Errorf(vigil.Full, "no room"))
		case "busy":
			done(vigil.Errorf(vigil.Overloaded, "later"))
		case "broken":
			done(fmt.Errorf("patient Miller: disk on fire"))
		case "panic":
			panic("a mistake")
		default:
			done(nil)
		}
	})
	_, base, _ := serve(t, httpin.Config{MaxPayload: 100}, sink.Take)
	for name, c := range map[string]struct {
		path, body string
		headers    []string
		want       int
		raw        string
	}{
		"stored":            {single, "1", nil, 200, `{"accepted":1,"repeated":0,"quarantined":[]}`},
		"quarantined":       {single, "quarantine", nil, 202, `{"accepted":0,"repeated":0,"quarantined":[{"line":1,"id":"q-1","reason":"line 1 column 2: not a number"}]}`},
		"full":              {single, "full", nil, 507, "no room"},
		"overloaded":        {single, "busy", nil, 503, "later"},
		"internal":          {single, "broken", nil, 500, `"detail":"internal error"`},
		"a panic":           {single, "panic", nil, 500, `"detail":"internal error"`},
		"empty":             {single, "", nil, 400, "empty"},
		"too large":         {single, strings.Repeat("x", 101), nil, 413, "100 bytes"},
		"wrong secret":      {single, "1", []string{"Authorization", as("pump-1", "x")}, 401, "unknown"},
		"no login":          {single, "1", []string{"Authorization", ""}, 401, "log in"},
		"bearer":            {single, "1", []string{"Authorization", "Bearer x"}, 401, "log in"},
		"another's address": {"/ingest/v1/devices/pump-2/messages", "1", nil, 403, "may not speak"},
		"no device id":      {"/ingest/v1/devices/a%20b/messages", "1", nil, 400, "not a device id"},
		"a form with files": {single, "1", []string{"Content-Type", "multipart/form-data; boundary=x"}, 415, "content type"},
		"a form of curl":    {single, "1", []string{"Content-Type", "application/x-www-form-urlencoded"}, 200, ""},
		"any other type":    {single, "1", []string{"Content-Type", "text/csv"}, 200, ""},
		"unknown encoding":  {single, "1", []string{"Content-Encoding", "br"}, 415, "gzip"},
		"not gzip":          {single, "1", []string{"Content-Encoding", "gzip"}, 400, "not gzip"},
		"bad channel":       {single + "?channel=a%2Bb", "1", nil, 400, "channel"},
		"recording":         {single + "?historical=1", "1", nil, 403, "recordings"},
		"odd historical":    {single + "?historical=perhaps", "1", nil, 400, "1 or 0"},
		"bad key":           {single, "1", []string{"Idempotency-Key", strings.Repeat("k", 201)}, 400, "200 bytes"},
		"batch type":        {many, "", []string{"Content-Type", "text/html"}, 415, "x-ndjson"},
	} {
		t.Run(name, func(t *testing.T) {
			r := post(t, base+c.path, []byte(c.body), c.headers...)
			if r.status != c.want || !strings.Contains(r.raw, c.raw) {
				t.Errorf("got %d %s, want %d and %s", r.status, r.raw, c.want, c.raw)
			}
			if r.status >= 400 && r.header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("content type %q", r.header.Get("Content-Type"))
			}
			if (r.status == 401) != (r.header.Get("WWW-Authenticate") != "") || (r.status == 503 || r.status == 507) != (r.header.Get("Retry-After") != "") {
				t.Errorf("headers %v", r.header)
			}
		})
	}
	if r, err := http.Get(base + many); err != nil || r.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %v %v", r, err)
	}
}

func TestBatch(t *testing.T) {
	sink := protocoltest.NewSink(func(m vigil.Message, done func(error)) {
		switch string(m.Payload) {
		case `"bad"`, "bad":
			done(&vigil.Refusal{Reason: "not mine", Entry: "q-" + m.ID})
		case "gone":
			done(vigil.Errorf(vigil.NotFound, "not registered"))
		default:
			done(nil)
		}
	})
	_, base, _ := serve(t, httpin.Config{MaxPayload: 200}, sink.Take)
	lines := []string{
		"\xef\xbb\xbf" + `{"device":"pump-1","payload":{"p":72,"x":"}\"]"}}`,
		"",
		`  {"payload": 7.5 , "channel":"ecg", "id":"a", "time":"2026-01-02T03:04:05.5Z"}  ` + "\r",
		`{"device":"pump-1","payload":"a,b\n1,2"}`,
		`{"device":"pump-1","payload":{"base64":"AAH/"}}`,
		`{"device":"pump-1","id":"z","payload":"bad"}`,
		`{"device":"pump-1","payload":`,
		`{"device":"pump-2","payload":1}`,
		`{"device":"pump-1","payload":"gone"}`,
		`{"device":"pump-1","payload":"` + strings.Repeat("x", 201) + `"}`,
		`{"device":"pump-1","payload":1,"historical":true}`,
		`{"device":"pump-1","payload":1,"tim":"x"}`,
		`{"device":"pump-1","payload":1,"time":"yesterday"}`,
		`{"payload":null}`,
		`["no"]`,
		`{"device":"` + strings.Repeat("x", 9000) + `"}`,
		`{"payload":false}`,
	}
	r := post(t, base+many, []byte(strings.Join(lines, "\n")))
	if r.status != http.StatusMultiStatus || r.Accepted != 6 || len(r.Quarantined) != 1 {
		t.Fatalf("got %d: %s", r.status, r.raw)
	}
	if q := r.Quarantined[0]; q.Line != 6 || q.ID != "q-z" || q.Reason != "not mine" {
		t.Errorf("quarantined %+v", q)
	}
	want := []string{"7 invalid", "8 forbidden", "9 not-found", "10 too-large", "11 forbidden", "12 invalid", "13 invalid", "15 invalid", "16 too-large"}
	for i, x := range r.Refused {
		if i >= len(want) || fmt.Sprint(x.Line, " ", x.Kind) != want[i] {
			t.Errorf("refused %d: %+v", i, x)
		}
	}
	if len(r.Refused) != len(want) {
		t.Errorf("%d lines refused, want %d", len(r.Refused), len(want))
	}
	if got := r.Refused[5].Reason; !strings.HasPrefix(got, "column 32: unknown key") {
		t.Errorf("reason %q", got)
	}
	list := sink.Messages()
	for i, p := range []string{`{"p":72,"x":"}\"]"}`, "7.5", "a,b\n1,2", "\x00\x01\xff", "bad", "gone", "null", "false"} {
		if string(list[i].Payload) != p {
			t.Errorf("payload %d is %q, want %q", i, list[i].Payload, p)
		}
	}
	if m := list[1]; m.Device != "pump-1" || m.Channel != "ecg" || m.ID != "a" || m.Stated.String() != "2026-01-02T03:04:05.5Z" {
		t.Errorf("line 3 became %+v", m)
	}
	if m := list[2]; m.Channel != "" || m.ID != "" || m.Stated != 0 {
		t.Errorf("line 4 kept something of line 3: %+v", m)
	}
}

func TestBatchOfNothingGood(t *testing.T) {
	sink := protocoltest.NewSink(nil)
	_, base, _ := serve(t, httpin.Config{}, sink.Take)
	r := post(t, base+many, []byte("[\n{}\n]"))
	if r.status != 400 || !strings.HasPrefix(r.Detail, "line 1: column 1: not a JSON object") || len(r.Refused) != 3 {
		t.Errorf("got %d %s", r.status, r.raw)
	}
	if r = post(t, base+many, []byte(`{"device":"pump-2","payload":1}`)); r.status != 403 {
		t.Errorf("got %d %s", r.status, r.raw)
	}
	if r = post(t, base+many, []byte("\n\n")); r.status != 200 || r.Accepted != 0 {
		t.Errorf("got %d %s", r.status, r.raw)
	}
	sink.None(t)
}

func TestBatchThatFailsInTheMiddle(t *testing.T) {
	n := 0
	sink := protocoltest.NewSink(func(_ vigil.Message, done func(error)) {
		if n++; n == 3 {
			done(vigil.Errorf(vigil.Overloaded, "the queue is full"))
			return
		}
		done(nil)
	})
	_, base, _ := serve(t, httpin.Config{}, sink.Take)
	r := post(t, base+many, bytes.Repeat([]byte("{\"payload\":1}\n"), 10), "Idempotency-Key", "k")
	if r.status != 503 || r.Accepted != 2 || r.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s", r.status, r.raw)
	}
	// The failure is not remembered, and the second attempt uses the same ids.
	r = post(t, base+many, bytes.Repeat([]byte("{\"payload\":1}\n"), 10), "Idempotency-Key", "k")
	if r.status != 200 || r.Accepted != 10 {
		t.Errorf("got %d %s", r.status, r.raw)
	}
	list := sink.Messages()
	if list[0].ID != "k#1" || list[3].ID != "k#1" || list[4].ID != "k#2" {
		t.Errorf("ids %q %q %q", list[0].ID, list[3].ID, list[4].ID)
	}
}

func TestLimits(t *testing.T) {
	sink := protocoltest.NewSink(nil)
	_, base, _ := serve(t, httpin.Config{MaxBatch: 5, MaxBody: 4096, MaxPayload: 100}, sink.Take)
	line := []byte("{\"payload\":1}\n")
	if r := post(t, base+many, bytes.Repeat(line, 5)); r.status != 200 || r.Accepted != 5 {
		t.Errorf("5 lines: %d %s", r.status, r.raw)
	}
	if r := post(t, base+many, bytes.Repeat(line, 6)); r.status != 413 || r.Accepted != 5 {
		t.Errorf("6 lines: %d %s", r.status, r.raw)
	}
	if r := post(t, base+many, []byte(`{"payload":"`+strings.Repeat("x", 101)+`"}`)); r.status != 413 || r.Accepted != 0 {
		t.Errorf("a large payload: %d %s", r.status, r.raw)
	}
	if r := post(t, base+many, bytes.Repeat([]byte(" "), 4097)); r.status != 413 {
		t.Errorf("a large body: %d %s", r.status, r.raw)
	}
	if r := post(t, base+many, pack(bytes.Repeat([]byte("\n"), 50<<20)), "Content-Encoding", "gzip"); r.status != 413 {
		t.Errorf("a bomb: %d %s", r.status, r.raw)
	}
	if r := post(t, base+single, pack(bytes.Repeat([]byte("x"), 50<<20)), "Content-Encoding", "gzip"); r.status != 413 {
		t.Errorf("a bomb of one message: %d %s", r.status, r.raw)
	}
	if r := post(t, base+many, pack(bytes.Repeat(line, 5)), "Content-Encoding", "gzip"); r.status != 200 || r.Accepted != 5 {
		t.Errorf("gzip: %d %s", r.status, r.raw)
	}
	whole := pack(bytes.Repeat(line, 5))
	if r := post(t, base+many, whole[:len(whole)-6], "Content-Encoding", "gzip"); r.status != 400 {
		t.Errorf("half a gzip: %d %s", r.status, r.raw)
	}
}

func pack(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func TestIdempotencyKey(t *testing.T) {
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	sink := protocoltest.NewSink(func(m vigil.Message, done func(error)) {
		if string(m.Payload) == "2" {
			done(&vigil.Refusal{Reason: "odd", Entry: "q"})
			return
		}
		done(nil)
	})
	_, base, _ := serve(t, httpin.Config{Now: func() time.Time { return clock }}, sink.Take)
	body := []byte("{\"payload\":1}\n{\"payload\":2}\n")
	first := post(t, base+many, body, "Idempotency-Key", "k")
	if first.status != 200 || first.Accepted != 1 || len(first.Quarantined) != 1 || first.header.Get("Idempotent-Replayed") != "" {
		t.Fatalf("first: %d %s", first.status, first.raw)
	}
	again := post(t, base+many, body, "Idempotency-Key", "k")
	if again.status != 200 || again.Accepted != 0 || again.Repeated != 1 || len(again.Quarantined) != 1 || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("again: %d %s", again.status, again.raw)
	}
	packed := post(t, base+many, pack(body), "Idempotency-Key", "k", "Content-Encoding", "gzip")
	if packed.status != 200 || packed.Repeated != 1 {
		t.Errorf("the same packed: %d %s", packed.status, packed.raw)
	}
	if r := post(t, base+many, []byte(`{"payload":3}`), "Idempotency-Key", "k"); r.status != 422 {
		t.Errorf("another body: %d %s", r.status, r.raw)
	}
	if r := post(t, base+single, body, "Idempotency-Key", "k"); r.status != 422 {
		t.Errorf("another address: %d %s", r.status, r.raw)
	}
	if n := len(sink.Messages()); n != 2 {
		t.Errorf("the sink got %d messages, want 2", n)
	}
	if r := post(t, base+many, body, "Idempotency-Key", "k", "Authorization", as("pump-2", "secret-2")); r.status != 200 || r.Accepted != 1 {
		t.Errorf("the key of another sender: %d %s", r.status, r.raw)
	}
	clock = clock.Add(httpin.KeepAnswers)
	if r := post(t, base+many, body, "Idempotency-Key", "k"); r.status != 200 || r.Accepted != 1 {
		t.Errorf("after 30 days: %d %s", r.status, r.raw)
	}
}

func TestIdempotencyKeyAtTheSameTime(t *testing.T) {
	dones := make(chan func(error), 10)
	sink := protocoltest.NewSink(func(_ vigil.Message, done func(error)) { dones <- done })
	entered := make(chan struct{}, 5)
	_, base, _ := serve(t, httpin.Config{Trusted: func(*http.Request) (vigil.Actor, bool) {
		entered <- struct{}{}
		return vigil.Actor{}, false
	}}, sink.Take)
	replies := make(chan reply, 5)
	for range 5 {
		go func() {
			r, err := try(base+single, []byte("1"), "Idempotency-Key", "k")
			if err != nil {
				r.raw = err.Error()
			}
			replies <- r
		}()
	}
	first := <-dones
	for range 5 {
		<-entered
	}
	select {
	case second := <-dones:
		t.Error("a second request under the key came through before the first was answered")
		second(nil)
	case <-time.After(100 * time.Millisecond): // nothing tells that the others wait; this finds most that do not
	}
	go func() {
		for done := range dones {
			done(nil)
		}
	}()
	first(nil)
	accepted, repeated := 0, 0
	for range 5 {
		r := <-replies
		if r.status != 200 {
			t.Errorf("got %d %s", r.status, r.raw)
		}
		accepted += r.Accepted
		repeated += r.Repeated
	}
	close(dones)
	if accepted != 1 || repeated != 4 || len(sink.Messages()) != 1 {
		t.Errorf("accepted %d repeated %d messages %d, want 1 4 1", accepted, repeated, len(sink.Messages()))
	}
}

func TestTrusted(t *testing.T) {
	sink := protocoltest.NewSink(nil)
	_, base, _ := serve(t, httpin.Config{Trusted: func(*http.Request) (vigil.Actor, bool) { return vigil.LocalAdmin(), true }}, sink.Take)
	r := post(t, base+many, []byte(`{"device":"pump-9","payload":1,"historical":true}`+"\n"+`{"device":"pump-8","payload":1}`+"\n"+`{"payload":1}`))
	if r.status != 207 || r.Accepted != 2 || r.Refused[0].Line != 3 {
		t.Errorf("got %d %s", r.status, r.raw)
	}
	r = post(t, base+"/ingest/v1/devices/pump-7/messages?historical=1", []byte("1"))
	list := sink.Messages()
	if r.status != 200 || !list[0].Historical || list[1].Historical || !list[2].Historical || list[0].Gateway != "" || list[2].Device != "pump-7" {
		t.Errorf("got %d %s: %+v", r.status, r.raw, list)
	}
}

func TestTooManyRequests(t *testing.T) {
	dones := make(chan func(error), 1)
	sink := protocoltest.NewSink(func(_ vigil.Message, done func(error)) { dones <- done })
	_, base, _ := serve(t, httpin.Config{MaxRequests: 1}, sink.Take)
	first := make(chan error, 1)
	go func() {
		r, err := try(base+single, []byte("1"))
		if err == nil && r.status != 200 {
			err = fmt.Errorf("status %d", r.status)
		}
		first <- err
	}()
	done := <-dones
	if r := post(t, base+single, []byte("1")); r.status != 503 || r.header.Get("Retry-After") == "" {
		t.Errorf("got %d %s", r.status, r.raw)
	}
	done(nil)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestLargeBatchIsStreamed(t *testing.T) {
	const n = 100_000
	var mu sync.Mutex
	next := 0
	sink := func(m vigil.Message, done func(error)) {
		mu.Lock()
		if string(m.Payload) != fmt.Sprintf(`{"n":%d}`, next) {
			t.Errorf("message %d is %s", next, m.Payload)
		}
		next++
		mu.Unlock()
		done(nil)
	}
	_, base, _ := serve(t, httpin.Config{}, sink)
	var body bytes.Buffer
	for i := range n {
		fmt.Fprintf(&body, "{\"device\":\"pump-1\",\"payload\":{\"n\":%d}}\n", i)
	}
	if r := post(t, base+many, body.Bytes()); r.status != 200 || r.Accepted != n {
		t.Errorf("got %d %.200s", r.status, r.raw)
	}
}

func BenchmarkBatch(b *testing.B) {
	sink := func(_ vigil.Message, done func(error)) { done(nil) }
	_, base, _ := serve(b, httpin.Config{}, sink)
	const n = 10_000
	var body bytes.Buffer
	for i := range n {
		fmt.Fprintf(&body, "{\"device\":\"pump-1\",\"id\":\"m-%d\",\"time\":\"2026-01-02T03:04:05Z\",\"payload\":{\"t\":1700000000000,\"hr\":72,\"spo2\":97,\"rr\":14,\"sys\":121,\"dia\":78,\"temp\":36.7}}\n", i)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		if r := post(b, base+many, body.Bytes()); r.Accepted != n {
			b.Fatal(r.raw)
		}
	}
	b.ReportMetric(float64(b.N)*n/b.Elapsed().Seconds(), "msg/s")
}
