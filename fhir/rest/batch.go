package rest

import (
	"context"
	"net/http"
	"sync"
)

// atOnce is how many entries of a batch are carried out at the same time; their
// writes then share a commit.
const atOnce = 32

// batch carries out each entry for itself (http.html#transaction). Entries of a
// batch do not depend on each other, so that those with the same method, and
// for different resources, go side by side.
func (s *Server) batch(ctx context.Context, c *call, entries []*entry) (*answer, error) {
	for start := 0; start < len(entries); {
		end := s.alike(entries, start)
		s.together(ctx, entries[start:end])
		start = end
	}
	return answers("batch-response", entries), ctx.Err()
}

// alike returns where a run of entries ends that may go side by side.
func (s *Server) alike(entries []*entry, start int) int {
	seen := map[string]bool{}
	for i := start; i < len(entries); i++ {
		e, first := entries[i], entries[start]
		if e.problem != nil {
			continue
		}
		if first.c == nil || e.c.method != first.c.method {
			if i > start {
				return i
			}
		}
		if e.c.method == http.MethodPost && e.c.ifNoneExist == "" {
			continue
		}
		address := e.c.query + e.c.ifNoneExist
		for _, p := range e.c.path {
			address += "/" + p
		}
		if seen[address] && e.c.method != http.MethodGet {
			return i
		}
		seen[address] = true
	}
	return len(entries)
}

// together carries out entries side by side and waits for all of them.
func (s *Server) together(ctx context.Context, entries []*entry) {
	var wait sync.WaitGroup
	next := make(chan *entry)
	for range min(atOnce, len(entries)) {
		wait.Go(func() {
			for e := range next {
				s.one(ctx, e)
			}
		})
	}
	for _, e := range entries {
		next <- e
	}
	close(next)
	wait.Wait()
}

// one carries out one entry of a batch. A panic in it is its own.
func (s *Server) one(ctx context.Context, e *entry) {
	if e.problem != nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			s.c.Log.Error("an entry of a batch panicked", "panic", p)
			e.problem = e.place(Refuse(http.StatusInternalServerError, "exception", "something went wrong here; the log says what"))
		}
	}()
	a, err := s.do(ctx, e.c)
	if err == nil {
		err = s.shaped(e.c, a)
	}
	if err != nil {
		p := problemOf(err)
		if p.Status == http.StatusInternalServerError && ctx.Err() == nil {
			s.c.Log.Error("an entry of a batch failed", "method", e.c.method, "error", err)
		}
		e.problem = e.place(p)
		return
	}
	e.answer = a
}
