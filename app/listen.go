package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/protocol"
	"github.com/vigil-iomt/vigil/protocol/mqtt"
)

// listen opens the listeners and runs the drivers in group. Devices are let in
// at once; /readyz says when the consumers have caught up.
func (s *server) listen(ctx context.Context, group *errgroup.Group) error {
	var addrs Addresses
	var err error
	routes := s.routes()
	group.Go(func() error { return s.supervise(ctx, "httpin", s.httpin) })
	if s.c.MQTT != "" {
		l, err := listenOn(ctx, "tcp", s.c.MQTT)
		if err != nil {
			return fmt.Errorf("listen for MQTT: %w (another program may have this port; choose one with --mqtt)", err)
		}
		addrs.MQTT = l.Addr().String()
		s.mqtt = mqtt.New(mqtt.Config{
			Listeners: []net.Listener{l}, Auth: s.gate(), May: s.gate().MaySpeak, Now: time.Now, Log: s.log,
		})
		group.Go(func() error { return s.supervise(ctx, "mqtt", s.mqtt) })
	}
	if addrs.Socket, err = s.serveSocket(ctx, group, routes); err != nil {
		return err
	}
	if s.c.HTTP != "" {
		l, err := listenOn(ctx, "tcp", s.c.HTTP)
		if err != nil {
			return fmt.Errorf("listen for HTTP: %w (another program may have this port; choose one with --http)", err)
		}
		addrs.HTTP = l.Addr().String()
		s.httpAddr.Store(&addrs.HTTP)
		serveHTTP(ctx, group, &http.Server{Handler: routes}, l)
	}
	group.Go(func() error { return s.catchUp(ctx, addrs) })
	return nil
}

// gate is the registry as drivers see it.
func (s *server) gate() gate { return gate{s.registry, s.watch.turned} }

// maxSocketPath is how long the path of a Unix socket may be on Linux.
const maxSocketPath = 107

// serveSocket serves the routes on the socket in the data folder, for whoever
// owns the folder.
func (s *server) serveSocket(ctx context.Context, group *errgroup.Group, routes http.Handler) (string, error) {
	path := s.c.Socket()
	if len(path) > maxSocketPath {
		return "", vigil.Errorf(vigil.Invalid,
			"the path of the data folder is too long for a socket in it: %s has %d bytes, %d are possible; choose a shorter --data", path, len(path), maxSocketPath)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("remove old socket: %w", err)
	}
	l, err := listenOn(ctx, "unix", path)
	if err != nil {
		return "", fmt.Errorf("open socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return "", fmt.Errorf("protect socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/pprof/", profiling())
	mux.Handle("/", routes)
	serveHTTP(ctx, group, &http.Server{Handler: mux, ConnContext: markLocal}, l)
	return path, nil
}

// serveHTTP serves until ctx is done, then lets requests finish.
func serveHTTP(ctx context.Context, group *errgroup.Group, h *http.Server, l net.Listener) {
	h.ReadHeaderTimeout = 10 * time.Second
	h.IdleTimeout = 2 * time.Minute
	h.MaxHeaderBytes = 64 << 10
	stopped := make(chan struct{})
	group.Go(func() error {
		if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve HTTP: %w", err)
		}
		<-stopped
		return nil
	})
	group.Go(func() error {
		defer close(stopped)
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		if err := h.Shutdown(stop); err != nil {
			return h.Close()
		}
		return nil
	})
}

// supervise runs a driver, and runs it again when it fails: one wire that
// breaks must not stop the others.
func (s *server) supervise(ctx context.Context, name string, d protocol.Driver) error {
	wait := time.Second
	for {
		err := contained(ctx, d, s.ingest.Take)
		if ctx.Err() != nil {
			return nil
		}
		s.log.Error("driver stopped and is started again", "driver", name, "error", err)
		select {
		case <-time.After(wait):
			wait = min(2*wait, time.Minute)
		case <-ctx.Done():
			return nil
		}
	}
}

// contained runs a driver and turns its panic into an error.
func contained(ctx context.Context, d protocol.Driver, sink vigil.Sink) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return d.Run(ctx, sink)
}

// catchUp waits until the consumers have what the journal has, finishes
// interrupted reattributions, and tells that the server is ready.
func (s *server) catchUp(ctx context.Context, a Addresses) error {
	if s.reach(ctx, s.heads()) != nil {
		return nil
	}
	if err := s.registry.Resume(vigil.WithActor(ctx, vigil.Actor{Kind: vigil.System, ID: "start"})); err != nil {
		s.log.Error("a reattribution could not be finished", "error", err)
	}
	s.caughtUp.Store(true)
	s.log.Info("ready", "http", a.HTTP, "mqtt", a.MQTT, "after", time.Since(s.started).Round(time.Millisecond))
	if s.o.Ready != nil {
		s.o.Ready(a)
	}
	return nil
}

// listenOn opens a listener.
func listenOn(ctx context.Context, network, addr string) (net.Listener, error) {
	var c net.ListenConfig
	return c.Listen(ctx, network, addr)
}
