package stream

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
)

// A told is a log that says when a text is logged.
type told struct {
	slog.Handler
	text string
	said chan struct{}
}

// Enabled wants every line.
func (told) Enabled(context.Context, slog.Level) bool { return true }

// Handle looks at one line.
func (h told) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, h.text) {
		select {
		case h.said <- struct{}{}:
		default:
		}
	}
	return nil
}

// TestConsumerOutlivesACluster: a cluster that is away and comes back ends no
// consumer. Seen to fail when a read that is not answered ends it.
func TestConsumerOutlivesACluster(t *testing.T) {
	dir := t.TempDir()
	s := outside(t, dir, -1, true)
	port := s.Addr().(*net.TCPAddr).Port
	ms := testMetrics()
	const frames = 5
	first := open(t, "", func(c *Config) { c.URL, c.Partitions = s.ClientURL(), 1 })
	for i := range frames {
		if err := put(first, vitals(ms, 0, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	log := told{slog.DiscardHandler, "trying again", make(chan struct{}, 1)}
	j := open(t, "", func(c *Config) { c.URL, c.Partitions, c.Log = s.ClientURL(), 1, slog.New(log) })
	stopServer(s)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	ended := make(chan error, 1)
	go func() {
		ended <- j.Consume(ctx, 0, 0, func(_ context.Context, f vigil.Frame) error {
			for _, r := range f.Records {
				got = append(got, r.Message.ID)
			}
			if len(got) == frames {
				cancel()
			}
			return nil
		})
	}()
	select {
	case <-log.said:
	case err := <-ended:
		t.Fatalf("the consumer ended: %v", err)
	}
	outside(t, dir, port, true)
	<-ended
	var want []string
	for i := range frames {
		want = append(want, vitals(ms, 0, i).Message.ID)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
