package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vigil-iomt/vigil/internal/socket"
)

// A Command says how a server is started in a process of its own.
type Command struct {
	Exe  string    // the vigil binary
	Data string    // data folder
	Args []string  // further flags of vigil serve
	Wrap []string  // a program and its flags in front, such as strace
	Log  io.Writer // what the server writes; nil drops it
}

// A Server is a running server: one that was started here, or one that runs
// already.
type Server struct {
	HTTP string // host:port
	MQTT string // host:port
	Data string
	Pid  int // of the process that was started, 0 for one that ran already

	socket *http.Client
	guest  *guest // nil for a server of the measurement's own
	cmd    *exec.Cmd
	gone   chan struct{} // closed when the process has ended
	err    error         // how it ended
	once   sync.Once
}

// startLimit bounds how long a server may take to become ready.
const startLimit = 2 * time.Minute

// Start starts a server on free ports of this machine and returns once it is
// ready. The caller stops or kills it.
func Start(ctx context.Context, c Command) (*Server, error) {
	s, ready, err := Launch(c)
	if err != nil {
		return nil, err
	}
	t := time.NewTimer(startLimit)
	defer t.Stop()
	select {
	case <-ready:
		return s, nil
	case <-s.gone:
		return nil, fmt.Errorf("start server: it ended: %w", s.err)
	case <-ctx.Done():
		err = ctx.Err()
	case <-t.C:
		err = errors.New("not ready in time")
	}
	_ = s.Kill()
	return nil, fmt.Errorf("start server: %w", err)
}

// Launch starts a server and returns at once. The channel is closed when it is
// ready; its addresses are known only then.
func Launch(c Command) (*Server, <-chan struct{}, error) {
	args := append([]string{c.Exe, "serve", "--data", c.Data, "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0",
		"--log-level", "warn"}, c.Args...)
	args = append(append([]string{}, c.Wrap...), args...)
	cmd := exec.Command(args[0], args[1:]...) //nolint:noctx,gosec // Stop and Kill end it; the program that the caller measures
	// A group of its own: an interrupt at the keyboard reaches the bench, which
	// stops the server in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.Log != nil {
		cmd.Stderr = c.Log
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, fmt.Errorf("start server: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start server: %w", err)
	}
	s := &Server{Data: c.Data, Pid: cmd.Process.Pid, cmd: cmd, gone: make(chan struct{})}
	s.socket = socketClient(c.Data)
	ready := make(chan struct{})
	go func() {
		s.listen(out, ready)
		s.err = cmd.Wait()
		close(s.gone)
	}()
	return s, ready, nil
}

// Attach returns a server that runs already. Its data folder must be on this
// machine, because registration goes through the socket in it.
func Attach(data, httpAddr, mqttAddr string) *Server {
	return &Server{HTTP: httpAddr, MQTT: mqttAddr, Data: data, socket: socketClient(data)}
}

// socketClient talks to the socket in a data folder.
func socketClient(data string) *http.Client {
	return socket.Client(filepath.Join(data, "vigil.sock"))
}

// listen reads the greeting of the server for its addresses, and drops the rest.
func (s *Server) listen(out io.Reader, ready chan struct{}) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 2 && words[0] == "MQTT":
			s.MQTT = words[1]
		case len(words) == 2 && words[0] == "FHIR":
			s.HTTP = strings.TrimSuffix(strings.TrimPrefix(words[1], "http://"), "/fhir")
		case len(words) > 1 && words[0] == "Register":
			s.once.Do(func() { close(ready) })
		}
	}
	_, _ = io.Copy(io.Discard, out)
}

// Gone is closed when the process of the server has ended.
func (s *Server) Gone() <-chan struct{} { return s.gone }

// Kill ends the server as SIGKILL does, without a farewell, and waits for it.
func (s *Server) Kill() error {
	if s.cmd == nil {
		return nil
	}
	// The whole group: with Wrap, the server is a child of the process that
	// was started.
	err := syscall.Kill(-s.Pid, syscall.SIGKILL)
	<-s.gone
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// Stop ends the server in order and waits for it.
func (s *Server) Stop() error {
	s.socket.CloseIdleConnections()
	if s.cmd == nil {
		return nil
	}
	if err := syscall.Kill(-s.Pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop server: %w", err)
	}
	select {
	case <-s.gone:
	case <-time.After(startLimit):
		return errors.Join(errors.New("stop server: it does not end"), s.Kill())
	}
	if s.err != nil {
		return fmt.Errorf("stop server: %w", s.err)
	}
	return nil
}

// Call sends a request as JSON through the socket and reads the answer into
// out, unless that is nil.
func (s *Server) Call(ctx context.Context, method, path string, in, out any) error {
	return socket.Call(ctx, s.socket, method, path, in, out)
}

// Resident returns the resident memory of the server's process, in bytes.
func (s *Server) Resident() (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid))
	if err != nil {
		return 0, fmt.Errorf("ask for memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		var kib uint64
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kib); err == nil {
			return kib << 10, nil
		}
	}
	return 0, errors.New("ask for memory: no VmRSS")
}

// Lines posts a batch of NDJSON lines through the socket, which may speak for
// every device. It fails unless every line is safe.
func (s *Server) Lines(ctx context.Context, lines io.Reader) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, socket.Base+"/ingest/v1/messages", lines)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	s.prove(req)
	resp, err := s.socket.Do(req)
	if err != nil {
		return fmt.Errorf("post batch: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("post batch: %s: %.300s: %w", resp.Status, text, err)
	}
	return nil
}
