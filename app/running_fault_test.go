package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/bench"
)

// A running is a whole server with its listeners, in this process.
type running struct {
	*bench.Server
	t *testing.T
}

// run starts a server and stops it at the end of the test.
func run(t *testing.T, dir string, flags map[string]string) *running {
	t.Helper()
	all := map[string]string{"data": dir, "http": "127.0.0.1:0", "mqtt": "127.0.0.1:0", "min-free": "1KiB", "partitions": "4"}
	for k, v := range flags {
		all[k] = v
	}
	c, _, err := Load(all, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	addrs := make(chan Addresses, 1)
	go func() {
		ended <- Run(ctx, c, Options{Log: slog.New(slog.DiscardHandler), Ready: func(a Addresses) { addrs <- a }})
	}()
	select {
	case a := <-addrs:
		t.Cleanup(func() {
			stop()
			if err := <-ended; err != nil {
				t.Errorf("the server ended: %v", err)
			}
		})
		return &running{bench.Attach(dir, a.HTTP, a.MQTT), t}
	case err := <-ended:
		stop()
		t.Fatalf("the server does not start: %v", err)
	}
	return nil
}

// devices registers pulse oximeters, each with a patient.
func (r *running) devices(n int) []bench.Device {
	r.t.Helper()
	out, err := r.Register(r.t.Context(), "oxi", "pulse-oximeter", n)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// post sends a body to an ingest path and returns the status and the answer.
func (r *running) post(d bench.Device, path string, header map[string]string, body []byte) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://"+r.HTTP+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.SetBasicAuth(d.ID, d.Secret)
	req.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error() // a server may cut off who sends too much
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// one sends one message of a device.
func (r *running) one(d bench.Device, body string) (int, string) {
	r.t.Helper()
	return r.post(d, "/ingest/v1/devices/"+d.ID+"/messages", nil, []byte(body))
}

// ready returns what /readyz answers.
func (r *running) ready() (int, string) {
	r.t.Helper()
	resp, err := http.Get("http://" + r.HTTP + "/readyz")
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text)
}

// kept returns the saturations of a device.
func (r *running) kept(d bench.Device) []float64 {
	r.t.Helper()
	var page struct {
		Readings []struct {
			Value *float64 `json:"value"`
		} `json:"readings"`
	}
	err := r.Call(r.t.Context(), http.MethodGet, "/api/v1/readings?metric=spo2&limit=10000&device="+d.ID, nil, &page)
	if err != nil {
		r.t.Fatal(err)
	}
	var out []float64
	for _, p := range page.Readings {
		if p.Value != nil {
			out = append(out, *p.Value)
		}
	}
	return out
}

// until waits for a condition that another goroutine brings about.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for !f() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// oximetry is a payload of a pulse oximeter.
func oximetry(at time.Time, spo2 int) string {
	return fmt.Sprintf(`{"t":%d,"spo2":%d,"pulse":70}`, at.UnixMilli(), spo2)
}

// fsWithoutSocket is a folder without its socket, which cannot be copied.
func fsWithoutSocket(dir string) fs.FS { return plainFiles{os.DirFS(dir)} }

// plainFiles leaves out what is neither a file nor a folder.
type plainFiles struct{ fs.FS }

// ReadDir lists a folder.
func (p plainFiles) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(p.FS, name)
	return slices.DeleteFunc(list, func(e fs.DirEntry) bool { return !e.IsDir() && !e.Type().IsRegular() }), err
}

// stopped opens a data folder without starting the consumers.
func stopped(t *testing.T, dir string) *spine {
	t.Helper()
	c, _, err := Load(map[string]string{"data": dir, "min-free": "1KiB", "partitions": "4"}, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	s := &spine{server: newServer(c, Options{Log: slog.New(slog.DiscardHandler)}), t: t}
	s.ctx, s.stop = context.WithCancel(vigil.WithActor(context.WithoutCancel(t.Context()), vigil.LocalAdmin()))
	t.Cleanup(s.stop)
	if err := s.open(s.ctx); err != nil {
		t.Fatal(err)
	}
	return s
}
