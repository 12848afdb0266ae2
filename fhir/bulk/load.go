package bulk

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// The bounds of what is loaded.
const (
	maxLine   = 16 << 20
	batchSize = 500     // resources that are written together
	batchMax  = 4 << 20 // bytes that are
)

// A tally counts what became of lines.
type tally struct {
	Written int64 // that made a version
	Same    int64 // that were there already
	Failed  int64
}

// A batch is lines on their way into the record.
type batch struct {
	first int // number of the first line
	lines [][]byte
	size  int
	loads []*rest.Load
	errs  []error // of each line
	err   error   // that stops everything
	ready chan struct{}
}

// A loader loads NDJSON: several read and validate, one writes, in the order of
// the lines.
type loader struct {
	s    *Service
	in   *rest.Invocation
	typ  string // that all resources are to have; "" for any
	told func(line int, err error) error
	did  func(n int)
	sum  tally
}

// load reads NDJSON to its end. What is wrong with a line is told and the rest
// goes on; an error is what stops everything.
func (l *loader) load(ctx context.Context, from io.Reader) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	n := runtime.GOMAXPROCS(0)
	todo, inOrder := make(chan *batch, n), make(chan *batch, 2*n)
	var workers sync.WaitGroup
	for range n {
		workers.Go(func() {
			for b := range todo {
				l.ready(ctx, b)
				close(b.ready)
			}
		})
	}
	var broken error
	workers.Go(func() {
		defer close(inOrder)
		defer close(todo)
		broken = cut(from, func(b *batch) error {
			for _, c := range []chan *batch{inOrder, todo} {
				select {
				case c <- b:
				case <-ctx.Done():
					if c == todo { // nobody gets it ready any more
						close(b.ready)
					}
					return ctx.Err()
				}
			}
			return nil
		})
	})
	var failed error
	for b := range inOrder {
		<-b.ready
		if failed == nil {
			if failed = l.put(ctx, b); failed != nil {
				stop()
			}
		}
	}
	workers.Wait()
	if failed != nil {
		return failed
	}
	return broken
}

// cut makes batches of lines.
func cut(from io.Reader, f func(*batch) error) error {
	b := &batch{ready: make(chan struct{})}
	err := eachLine(from, func(n int, line []byte) error {
		if len(b.lines) == 0 {
			b.first = n
		}
		for b.first+len(b.lines) < n {
			b.lines = append(b.lines, nil) // empty ones
		}
		b.lines = append(b.lines, bytes.Clone(line))
		b.size += len(line)
		if len(b.lines) < batchSize && b.size < batchMax {
			return nil
		}
		full := b
		b = &batch{ready: make(chan struct{})}
		return f(full)
	})
	if len(b.lines) > 0 && (err == nil || vigil.KindOf(err) != vigil.Internal) {
		err = errors.Join(f(b), err)
	}
	return err
}

// eachLine calls f with each line that is not empty, and its number. It is good
// until the next one.
func eachLine(from io.Reader, f func(n int, line []byte) error) error {
	r := bufio.NewReaderSize(from, 256<<10)
	var long []byte
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			for long = append(long[:0], line...); errors.Is(err, bufio.ErrBufferFull); long = append(long, line...) {
				if len(long) > maxLine {
					return vigil.Errorf(vigil.TooLarge, "line %d is longer than %d bytes", n, maxLine)
				}
				line, err = r.ReadSlice('\n')
			}
			line = long
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return vigil.Errorf(vigil.Unavailable, "the lines break off behind line %d: %w", n-1, err)
		}
		if n == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if trimmed := bytes.TrimSpace(line); len(trimmed) > 0 {
			if err := f(n, trimmed); err != nil {
				return err
			}
		}
		if err != nil {
			return nil
		}
	}
}

// ready makes a batch ready to be written.
func (l *loader) ready(ctx context.Context, b *batch) {
	b.loads, b.errs = make([]*rest.Load, len(b.lines)), make([]error, len(b.lines))
	for i, line := range b.lines {
		if len(line) > 0 && ctx.Err() == nil {
			b.loads[i], b.errs[i] = l.readyOne(ctx, line)
		}
	}
	if ctx.Err() == nil {
		b.err = l.in.Look(ctx, b.good())
	}
}

// good are the loads with which nothing is wrong so far.
func (b *batch) good() []*rest.Load {
	good := make([]*rest.Load, 0, len(b.loads))
	for i, g := range b.loads {
		if g != nil && b.errs[i] == nil {
			good = append(good, g)
		}
	}
	return good
}

func (l *loader) readyOne(ctx context.Context, line []byte) (*rest.Load, error) {
	doc, err := tree.Parse(line)
	if err != nil {
		var e *tree.Error
		if errors.As(err, &e) {
			return nil, rest.Refuse(http.StatusBadRequest, "structure", "%s (column %d)", e.Msg, e.Col)
		}
		return nil, err
	}
	if got := doc.Root().Get("resourceType").Text(); l.typ != "" && got != l.typ {
		return nil, rest.Refuse(http.StatusBadRequest, "invalid", "a %.40q among resources of the type %s", got, l.typ)
	}
	return l.in.Ready(ctx, doc)
}

// put writes a batch, and tells what is wrong with it.
func (l *loader) put(ctx context.Context, b *batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.err != nil {
		return b.err
	}
	for i, err := range b.errs {
		if err == nil {
			continue
		}
		l.sum.Failed++
		if err := l.told(b.first+i, err); err != nil {
			return err
		}
	}
	if err := l.write(ctx, b, b.good()); err != nil {
		return err
	}
	l.did(len(b.lines))
	b.lines, b.loads = nil, nil
	return nil
}

// write writes loads together and, should that fail because of one of them, one
// by one.
func (l *loader) write(ctx context.Context, b *batch, good []*rest.Load) error {
	if len(good) == 0 {
		return nil
	}
	err := l.in.Put(ctx, good)
	if err == nil {
		for _, g := range good {
			l.count(g)
		}
		return nil
	}
	if stops(err) {
		return err
	}
	for i, g := range b.loads {
		if g == nil || b.errs[i] != nil {
			continue
		}
		err := l.in.Put(ctx, []*rest.Load{g})
		switch {
		case err == nil:
			l.count(g)
		case stops(err):
			return err
		default:
			l.sum.Failed++
			if err := l.told(b.first+i, err); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loader) count(g *rest.Load) {
	if g.Same {
		l.sum.Same++
	} else {
		l.sum.Written++
	}
}

// stops tells whether an error is of the server and not of one resource.
func stops(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	kind := vigil.KindOf(err)
	return kind == vigil.Full || kind == vigil.Unavailable || kind == vigil.Overloaded
}

// lineOutcome says what is wrong with a line.
func lineOutcome(line int, err error) []byte {
	return rest.Outcome(err, fmt.Sprintf("line %d", line))
}
