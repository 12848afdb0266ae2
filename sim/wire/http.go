package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
)

// HTTPConfig says how lines are posted.
type HTTPConfig struct {
	// URL is the server's base, such as http://127.0.0.1:8080.
	URL string
	// Client may carry its own transport (a socket, TLS); nil is a plain
	// client with a time limit of a minute.
	Client *http.Client
	// Secret gives a device's secret for Basic authentication. Nil sends no
	// credentials, for a trusted local socket.
	Secret func(vigil.DeviceID) string
	// Gateway, if set, speaks for all devices: one batch then holds lines of
	// several devices.
	Gateway vigil.DeviceID
	// Batch is the most lines in one request; 500 if 0. MaxBytes limits the
	// request as well; 1 MiB if 0.
	Batch, MaxBytes int
	// Patience is how long a batch is tried again before it fails; 2 minutes
	// if 0.
	Patience time.Duration
	Now      func() time.Time // time.Now if nil
}

// A Result adds up what a server answered.
type Result struct {
	Accepted int64 `json:"accepted"`
	Repeated int64 `json:"repeated"`
	// Quarantined counts the lines that the server keeps but could not
	// understand, and First is the first reason.
	Quarantined int64  `json:"quarantined"`
	First       string `json:"first,omitempty"`
}

// HTTP posts lines in NDJSON batches to /ingest/v1/messages. Send posts when a
// batch is full, on the caller's goroutine; Flush posts the rest. It is safe
// for several goroutines.
type HTTP struct {
	c      HTTPConfig
	mu     sync.Mutex
	batch  map[vigil.DeviceID]*batch
	result Result
}

type batch struct {
	body  bytes.Buffer
	lines int
}

// NewHTTP makes a sender.
func NewHTTP(c HTTPConfig) *HTTP {
	if c.Client == nil {
		c.Client = &http.Client{Timeout: time.Minute}
	}
	if c.Batch == 0 {
		c.Batch = 500
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 1 << 20
	}
	if c.Patience == 0 {
		c.Patience = 2 * time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &HTTP{c: c, batch: map[vigil.DeviceID]*batch{}}
}

// Send adds the message to its credential's batch, and posts the batch when it
// is full.
func (h *HTTP) Send(ctx context.Context, m vigil.Message) error {
	text, err := json.Marshal(LineOf(m))
	if err != nil {
		return fmt.Errorf("write line: %w", err)
	}
	speaker := h.c.Gateway
	if speaker == "" && h.c.Secret != nil {
		speaker = m.Device
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	b := h.batch[speaker]
	if b == nil {
		b = &batch{}
		h.batch[speaker] = b
	}
	b.body.Write(text)
	b.body.WriteByte('\n')
	b.lines++
	if b.lines < h.c.Batch && b.body.Len() < h.c.MaxBytes {
		return nil
	}
	return h.post(ctx, speaker, b)
}

// Flush posts what is left.
func (h *HTTP) Flush(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for speaker, b := range h.batch {
		if b.lines > 0 {
			errs = append(errs, h.post(ctx, speaker, b))
		}
	}
	return errors.Join(errs...)
}

// Result returns what the server has said so far.
func (h *HTTP) Result() Result {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.result
}

// post sends a batch until the server takes it, refuses it for good, or
// patience ends. The lines' ids make a batch that arrived twice land once.
func (h *HTTP) post(ctx context.Context, speaker vigil.DeviceID, b *batch) error {
	defer func() { b.body.Reset(); b.lines = 0 }()
	end := h.c.Now().Add(h.c.Patience)
	for wait := 100 * time.Millisecond; ; wait = min(wait*2, 5*time.Second) {
		after, err := h.try(ctx, speaker, b.body.Bytes())
		if err == nil || after < 0 {
			return err
		}
		pause := max(after, wait/2+rand.N(wait/2+1)) // #nosec G404 -- jitter
		if h.c.Now().Add(pause).After(end) {
			return fmt.Errorf("post messages: given up after %v: %w", h.c.Patience, err)
		}
		if err := hold(ctx, pause); err != nil {
			return err
		}
	}
}

// hold waits for d or until ctx is done.
func hold(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// try posts once. A negative duration with an error means that trying again is
// of no use, otherwise it is how long the server asks to wait.
func (h *HTTP) try(ctx context.Context, speaker vigil.DeviceID, body []byte) (time.Duration, error) {
	url := strings.TrimRight(h.c.URL, "/") + "/ingest/v1/messages"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return -1, fmt.Errorf("post messages: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	if speaker != "" && h.c.Secret != nil {
		req.SetBasicAuth(string(speaker), h.c.Secret(speaker))
	}
	res, err := h.c.Client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("post messages: %w", err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return 0, fmt.Errorf("read answer: %w", err)
	}
	switch {
	case res.StatusCode/100 == 2:
		return 0, h.add(answer)
	case res.StatusCode == http.StatusServiceUnavailable || res.StatusCode == http.StatusTooManyRequests ||
		res.StatusCode == http.StatusInsufficientStorage || res.StatusCode == http.StatusBadGateway:
		after, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return time.Duration(max(after, 0)) * time.Second, fmt.Errorf("post messages: server says %s", res.Status)
	}
	return -1, fmt.Errorf("post messages: server says %s: %s", res.Status, strings.TrimSpace(string(answer[:min(len(answer), 300)])))
}

func (h *HTTP) add(answer []byte) error {
	var a struct {
		Accepted    int64 `json:"accepted"`
		Repeated    int64 `json:"repeated"`
		Quarantined []struct {
			Reason string `json:"reason"`
		} `json:"quarantined"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	h.result.Accepted += a.Accepted
	h.result.Repeated += a.Repeated
	h.result.Quarantined += int64(len(a.Quarantined))
	if h.result.First == "" && len(a.Quarantined) > 0 {
		h.result.First = a.Quarantined[0].Reason
	}
	return nil
}
