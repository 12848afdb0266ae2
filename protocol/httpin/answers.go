package httpin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
)

// KeepAnswers is how long an answer is remembered.
const KeepAnswers = 30 * 24 * time.Hour

// Answers remembers what was answered under an Idempotency-Key. The id is a hash
// of credential and key: 64 characters of hex. Entries older than KeepAnswers may
// go.
type Answers interface {
	// Answer returns what is remembered, and false when nothing is.
	Answer(ctx context.Context, id string) (Answer, bool, error)
	// SaveAnswer remembers an answer in place of an older one.
	SaveAnswer(ctx context.Context, id string, a Answer) error
}

// An Answer is what was answered to a request.
type Answer struct {
	Sum    string        `json:"sum"` // hash of the request
	Status int           `json:"status"`
	Body   []byte        `json:"body"` // an outcome as JSON
	At     vigil.Instant `json:"at"`
}

// maxKey is the most bytes in an Idempotency-Key.
const maxKey = 200

// keyOf returns the Idempotency-Key of a request, "" if it has none.
func keyOf(r *http.Request) (string, error) {
	key := r.Header.Get("Idempotency-Key")
	if len(key) > maxKey {
		return "", vigil.Errorf(vigil.Invalid, "an Idempotency-Key has at most %d bytes", maxKey)
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return "", vigil.Errorf(vigil.Invalid, "an Idempotency-Key is printable ASCII")
		}
	}
	return key, nil
}

// idOf names what is remembered of a sender's key.
func idOf(s *sender, key string) string {
	sum := sha256.Sum256([]byte(s.name + "\x00" + key))
	return hex.EncodeToString(sum[:])
}

// flights makes the requests under one key wait for each other.
type flights struct {
	mu sync.Mutex
	m  map[string]chan struct{}
}

// enter returns once no other request is at work under the id, with the function
// that lets the next one in; false when ctx is done before that.
func (f *flights) enter(ctx context.Context, id string) (leave func(), ok bool) {
	for {
		f.mu.Lock()
		other := f.m[id]
		if other == nil {
			mine := make(chan struct{})
			f.m[id] = mine
			f.mu.Unlock()
			return func() {
				f.mu.Lock()
				delete(f.m, id)
				f.mu.Unlock()
				close(mine)
			}, true
		}
		f.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, false
		}
	}
}

// Memory keeps answers in memory: for gateways, and where a restart may forget.
type Memory struct {
	mu    sync.Mutex
	max   int
	m     map[string]Answer
	order []string // ids, oldest first
}

// NewMemory returns a Memory for at most n answers; the oldest goes first.
func NewMemory(n int) *Memory { return &Memory{max: n, m: map[string]Answer{}} }

// Answer returns what is remembered.
func (m *Memory) Answer(_ context.Context, id string) (Answer, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.m[id]
	return a, ok, nil
}

// SaveAnswer remembers an answer.
func (m *Memory) SaveAnswer(_ context.Context, id string, a Answer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.m[id]; !ok {
		m.order = append(m.order, id)
	}
	m.m[id] = a
	for len(m.order) > m.max {
		delete(m.m, m.order[0])
		m.order = m.order[1:]
	}
	return nil
}
