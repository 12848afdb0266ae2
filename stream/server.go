package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/vigil-iomt/vigil"
)

// startLimit is how long the embedded server may take until it takes
// connections; recovery of a large store is part of it.
const startLimit = 2 * time.Minute

// serverOptions are those of the embedded server. It listens nowhere.
func serverOptions(c Config) *server.Options {
	o := &server.Options{
		ServerName: serverName, DontListen: true, NoSigs: true,
		JetStream: true, StoreDir: c.Dir, SyncAlways: true,
		// Space is watched by this room: the server's own limit would be a
		// share of what happened to be free when it started.
		JetStreamMaxStore: math.MaxInt64 / 2, JetStreamMaxMemory: 16 << 20,
		MaxPayload: payloadMax, MaxPending: 8 * payloadMax, DisableJetStreamBanner: true,
	}
	if c.tune != nil {
		c.tune(o)
	}
	return o
}

// startServer starts the embedded server and makes sure that it syncs every
// write.
func startServer(c Config) (*server.Server, error) {
	s, err := server.NewServer(serverOptions(c))
	if err != nil {
		return nil, fmt.Errorf("make journal server: %w", err)
	}
	log := &serverLog{log: c.Log, fatal: c.Fatal, failed: make(chan error, 1), broken: c.broken}
	s.SetLoggerV2(log, false, false, false)
	s.Start()
	ready := s.ReadyForConnections(startLimit)
	select {
	case err := <-log.failed:
		stopServer(s)
		return nil, err
	default:
	}
	if !ready || !s.JetStreamEnabled() {
		stopServer(s)
		return nil, vigil.Errorf(vigil.Unavailable, "the journal's server did not become ready within %v", startLimit)
	}
	if err := checkSync(s.JetStreamConfig()); err != nil {
		stopServer(s)
		return nil, err
	}
	return s, nil
}

func stopServer(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// checkSync refuses a server that does not sync each write before it
// acknowledges: its acknowledgements would mean nothing after a power failure.
func checkSync(c *server.JetStreamConfig) error {
	if c == nil || !c.SyncAlways {
		return vigil.Errorf(vigil.Unavailable, "the journal's server does not sync every write (sync_interval: always); nothing can be acknowledged")
	}
	return nil
}

// checkMonitor asks an external server the same question.
func checkMonitor(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/varz", nil)
	if err != nil {
		return vigil.Errorf(vigil.Invalid, "monitoring address: %w", err)
	}
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return vigil.Errorf(vigil.Unavailable, "ask the NATS server whether it syncs every write: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	var v server.Varz
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil {
		return vigil.Errorf(vigil.Unavailable, "read the NATS server's state: %w", err)
	}
	return checkSync(v.JetStream.Config)
}

// connect opens a connection to the embedded server, or to the cluster.
func connect(c Config, s *server.Server, name string, closed func()) (*nats.Conn, error) {
	opts := []nats.Option{
		nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(200 * time.Millisecond),
		nats.ClosedHandler(func(*nats.Conn) { closed() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			c.Log.Warn("journal connection", "connection", name, "error", err)
		}),
	}
	if s != nil {
		opts = append(opts, nats.InProcessServer(s))
	}
	nc, err := nats.Connect(c.URL, opts...)
	if err != nil {
		return nil, vigil.Errorf(vigil.Unavailable, "connect to the journal: %w", err)
	}
	return nc, nil
}

// A serverLog takes what the embedded server says. Its Fatalf neither ends the
// process, as the stock logger would, nor says nothing, as no logger would.
type serverLog struct {
	log    *slog.Logger
	fatal  func(error)
	failed chan error
	broken *atomic.Bool
}

// Fatalf reports that the server cannot go on.
func (l *serverLog) Fatalf(format string, v ...any) {
	err := &vigil.Error{Kind: vigil.Unavailable, Op: "journal server", Msg: fmt.Sprintf(format, v...)}
	select {
	case l.failed <- err:
	default:
	}
	l.fatal(err)
}

// Errorf logs an error of the server. After a write that failed it takes nothing
// more into that stream, whatever room there is by then, and leaves whoever asks
// without an answer: it can only be started anew.
func (l *serverLog) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.log.Error("journal server error", "error", text)
	if l.broken != nil && strings.Contains(text, "critical write error") {
		l.broken.Store(true)
		l.fatal(&vigil.Error{Kind: vigil.Unavailable, Op: "journal server", Msg: "it could not write and must be started anew: " + text})
	}
}

// Warnf logs a warning of the server.
func (l *serverLog) Warnf(format string, v ...any) {
	l.log.Warn("journal server warning", "text", fmt.Sprintf(format, v...))
}

// Noticef logs what the server finds worth a notice, for people who debug.
func (l *serverLog) Noticef(format string, v ...any) {
	l.log.Debug("journal server notice", "text", fmt.Sprintf(format, v...))
}

// Debugf is off.
func (l *serverLog) Debugf(string, ...any) {}

// Tracef is off: it would hold payloads.
func (l *serverLog) Tracef(string, ...any) {}
