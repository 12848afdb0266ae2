// Package running starts the real binary for tests that talk to it like anybody
// else: in a folder of its own, on free ports of the loopback.
package running

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A Server is a running vigil.
type Server struct {
	URL  string // http://127.0.0.1:port
	Data string // its data folder
	bin  string

	process *exec.Cmd
	said    bytes.Buffer
	ended   chan error
}

// Build compiles vigil from the module that root is the folder of, into dir, and
// returns the path of the binary; or that of the binary which VIGIL_TEST_BINARY
// names, where somebody has built it already.
func Build(ctx context.Context, root, dir string) (string, error) {
	if built := os.Getenv("VIGIL_TEST_BINARY"); built != "" {
		return built, nil
	}
	bin := filepath.Join(dir, "vigil")
	c := exec.CommandContext(ctx, "go", "build", "-buildvcs=auto", "-trimpath", "-o", bin, "./cmd/vigil") //nolint:gosec // a test chooses the folder
	c.Dir, c.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build vigil: %w\n%s", err, out)
	}
	return bin, nil
}

// Start runs a binary with a data folder and waits until it is ready. Further
// arguments are those of vigil serve.
func Start(ctx context.Context, bin, data string, args ...string) (*Server, error) {
	web, err := freePort()
	if err != nil {
		return nil, err
	}
	mqtt, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + web, Data: data, bin: bin, ended: make(chan error, 1)}
	s.process = exec.Command(bin, append([]string{"serve", "--data", data, "--http", web, "--mqtt", mqtt}, args...)...) //nolint:noctx,gosec // Stop ends it; a test chooses the binary
	s.process.Stderr = &s.said
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("start vigil: %w", err)
	}
	go func() { s.ended <- s.process.Wait() }()
	if err := s.ready(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// ready waits until the server says that it is.
func (s *Server) ready(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("ask vigil: %w", err)
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("vigil was not ready: %w", ctx.Err())
		case err := <-s.ended:
			s.ended <- err
			return fmt.Errorf("vigil ended (%w) with: %s", err, s.said.String())
		case <-tick.C:
		}
	}
}

// Run runs another command of the same binary on the server's data folder and
// returns what it prints.
func (s *Server) Run(ctx context.Context, args ...string) (string, error) {
	c := exec.CommandContext(ctx, s.bin, args...) //nolint:gosec // a test chooses the binary
	c.Env = append(os.Environ(), "VIGIL_DATA="+s.Data)
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("vigil %s: %w\n%s", strings.Join(args, " "), err, said.String())
	}
	return string(out), nil
}

// Token makes a bearer token of a role.
func (s *Server) Token(ctx context.Context, role string) (string, error) {
	out, err := s.Run(ctx, "token", "create", "--role", role, "--json")
	if err != nil {
		return "", err
	}
	var made struct{ Token string }
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	return made.Token, nil
}

// Stop asks the server to end and waits for it.
func (s *Server) Stop() error {
	_ = s.process.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case err := <-s.ended:
		return err
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("vigil did not end when it was asked to"), s.process.Process.Kill())
	}
}

// freePort finds an address that nobody listens on.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}
