package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// runQuietly runs a program to its end.
func runQuietly(ctx context.Context, args []string) error {
	return exec.CommandContext(ctx, args[0], args[1:]...).Run() // #nosec G204 -- strace itself
}

// A call is one finished system call of a trace.
type call struct {
	at    int64 // when it began, ns since 1970
	began int   // how many calls had finished when it began
	name  string
	args  []string // as strace -xx -y writes them
	ret   int64
	made  string // what follows the number of the result, such as <\x2f…>
}

// errTrace is a trace that does not read.
var errTrace = errors.New("this is not what strace -f -ttt -y -xx writes")

// readTrace reads the finished and successful calls of a trace in the order in
// which they finished.
func readTrace(path string) ([]call, error) {
	f, err := os.Open(path) // #nosec G304 -- written by this program
	if err != nil {
		return nil, fmt.Errorf("read trace: %w", err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<20)
	t := tracer{begun: map[string]begun{}}
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return t.calls, nil // a last line without an end is a call that never finished
		}
		if err != nil {
			return nil, fmt.Errorf("read trace: %w", err)
		}
		if err := t.line(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return nil, err
		}
	}
}

// A tracer puts the lines of a trace together.
type tracer struct {
	calls []call
	begun map[string]begun // by thread
}

// begun is a call that has not finished yet.
type begun struct {
	text  string
	at    int64
	calls int
}

const (
	unfinished = " <unfinished ...>"
	resumed    = " resumed>"
)

// line reads one line.
func (t *tracer) line(text []byte) error {
	thread, rest, ok := strings.Cut(string(text), " ")
	stamp, rest, ok2 := strings.Cut(strings.TrimLeft(rest, " "), " ")
	if !ok || !ok2 {
		return fmt.Errorf("%w: %.80q", errTrace, text)
	}
	at, err := stampNanos(stamp)
	if err != nil {
		return err
	}
	now := begun{rest, at, len(t.calls)}
	switch {
	case strings.HasPrefix(rest, "+++") || strings.HasPrefix(rest, "---"):
		return nil
	case strings.HasSuffix(rest, unfinished):
		now.text = strings.TrimSuffix(rest, unfinished)
		t.begun[thread] = now
		return nil
	case strings.HasPrefix(rest, "<... "):
		before, found := t.begun[thread]
		_, tail, cut := strings.Cut(rest, resumed)
		if !found || !cut {
			return nil // begun before the trace
		}
		delete(t.begun, thread)
		now = begun{before.text + tail, before.at, before.calls}
	}
	return t.finished(now)
}

// finished reads a whole call.
func (t *tracer) finished(b begun) error {
	name, rest, ok := strings.Cut(b.text, "(")
	i := strings.LastIndex(rest, " = ")
	if !ok || i < 0 {
		return fmt.Errorf("%w: %.80q", errTrace, b.text)
	}
	result := strings.TrimSpace(rest[i+3:])
	number, made, _ := strings.Cut(result, "<")
	number, _, _ = strings.Cut(strings.TrimSpace(number), " ")
	ret, err := strconv.ParseInt(number, 0, 64)
	if err != nil || ret < 0 {
		return nil //nolint:nilerr // a call that failed, or "?" of a thread that ended
	}
	args := strings.TrimRight(strings.TrimSpace(rest[:i]), ")")
	t.calls = append(t.calls, call{at: b.at, began: b.calls, name: name, args: strings.Split(args, ", "), ret: ret, made: made})
	return nil
}

// stampNanos reads seconds with six decimals.
func stampNanos(s string) (int64, error) {
	whole, micros, _ := strings.Cut(s, ".")
	a, err := strconv.ParseInt(whole, 10, 64)
	b, err2 := strconv.ParseInt(micros, 10, 64)
	if err != nil || err2 != nil || len(micros) != 6 {
		return 0, fmt.Errorf("%w: time %q", errTrace, s)
	}
	return a*1e9 + b*1e3, nil
}

// unhex reads the bytes of "\x2f\x74", with any quotes around.
func unhex(s string) ([]byte, error) {
	s = strings.ReplaceAll(strings.Trim(s, `"<>`), `\x`, "")
	b, err := hex.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %.40q", errTrace, s)
	}
	return b, nil
}

// file returns the number and the path of an argument such as 7<\x2f\x74>.
func file(arg string) (int64, string, error) {
	number, path, _ := strings.Cut(arg, "<")
	fd, err := strconv.ParseInt(number, 10, 64)
	if number == "AT_FDCWD" {
		fd, err = -1, nil
	}
	if err != nil {
		return 0, "", fmt.Errorf("%w: %.40q", errTrace, arg)
	}
	if !strings.HasPrefix(path, `\x`) {
		return fd, "", nil // a socket or a pipe
	}
	if strings.HasSuffix(path, ">(deleted)") {
		return fd, "", nil // a file without a name does not outlive its process
	}
	b, err := unhex(path)
	return fd, string(b), err
}
