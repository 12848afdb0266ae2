package httpin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/protocol"
)

// A job is a request that has been let in.
type job struct {
	h          *Handler
	from       sender
	key        string // Idempotency-Key, "" if none
	historical bool
	sink       vigil.Sink
	body       *body
	sum        hash.Hash // nil without a key
}

// serveSingle takes one message.
func (h *Handler) serveSingle(w http.ResponseWriter, r *http.Request) {
	h.serve(w, r, false, int64(h.c.MaxPayload), func(j *job) (int, outcome, error) {
		m := vigil.Message{
			Channel: r.URL.Query().Get("channel"), ID: r.Header.Get("X-Message-Id"),
			Protocol: "http", Historical: j.historical,
		}
		if err := h.address(&j.from, &m, vigil.DeviceID(r.PathValue("id"))); err != nil {
			return 0, outcome{}, err
		}
		return j.single(m)
	})
}

// single reads the payload and waits for the sink.
func (j *job) single(m vigil.Message) (int, outcome, error) {
	var o outcome
	if err := protocol.CheckChannel(m.Channel); err != nil {
		return 0, o, err
	}
	if err := protocol.CheckID(m.ID); err != nil {
		return 0, o, err
	}
	if m.ID == "" {
		m.ID = j.key
	}
	var err error
	if m.Payload, err = io.ReadAll(j.body); err != nil {
		return 0, o, err
	}
	if len(m.Payload) == 0 {
		return 0, o, vigil.Errorf(vigil.Invalid, "the body is empty")
	}
	m.Arrived = vigil.InstantOf(j.h.c.Now())
	b := newBatch(j)
	b.put(1, m)
	o, err = b.wait()
	if err == nil {
		err = b.first
	}
	if err != nil {
		return 0, outcome{}, err
	}
	if len(o.Quarantined) > 0 {
		return http.StatusAccepted, o, nil
	}
	return http.StatusOK, o, nil
}

// serve lets a request in, answers it from memory if it was answered before, or
// does the work and remembers the answer. The work returns a status and an
// outcome, or an error with what was kept before it.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, batch bool, limit int64, work func(*job) (int, outcome, error)) {
	j := &job{h: h}
	var err error
	if j.from, err = h.sender(r); err != nil {
		h.fail(w, err)
		return
	}
	if err = h.prepare(j, w, r, batch, limit); err != nil {
		h.fail(w, err)
		return
	}
	defer j.body.close()
	sink, ok := h.take()
	if !ok {
		h.fail(w, vigil.Errorf(vigil.Unavailable, "the server is starting or stopping"))
		return
	}
	defer h.serving.Done()
	j.sink = sink
	if j.key == "" {
		status, o, err := work(j)
		h.answer(w, status, o, err)
		return
	}
	id := idOf(&j.from, j.key)
	leave, ok := h.calls.enter(r.Context(), id)
	if !ok {
		return // the client has gone
	}
	defer leave()
	old, known, err := h.c.Answers.Answer(r.Context(), id)
	if err != nil {
		h.fail(w, err)
		return
	}
	if known && vigil.InstantOf(h.c.Now()).Sub(old.At) < KeepAnswers {
		h.replay(w, j, old)
		return
	}
	status, o, err := work(j)
	if err == nil {
		h.remember(r.Context(), j, id, status, o)
	}
	h.answer(w, status, o, err)
}

// prepare checks what the headers say.
func (h *Handler) prepare(j *job, w http.ResponseWriter, r *http.Request, batch bool, limit int64) error {
	err := checkType(r, batch)
	if err != nil {
		return err
	}
	if j.historical, err = j.from.historical(r); err != nil {
		return err
	}
	if j.key, err = keyOf(r); err != nil {
		return err
	}
	if j.key != "" {
		j.sum = sha256.New()
		_, _ = fmt.Fprintf(j.sum, "%s\x00%s\x00%s\x00", r.URL.Path, r.URL.RawQuery, r.Header.Get("X-Message-Id")) // cannot fail
	}
	j.body, err = h.openBody(w, r, limit, j.sum)
	return err
}

// answer answers with an outcome or an error.
func (h *Handler) answer(w http.ResponseWriter, status int, o outcome, err error) {
	if err != nil {
		if o.Quarantined == nil {
			h.fail(w, err)
		} else {
			h.failWith(w, err, &o)
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	write(w, status, o)
}

// remember keeps the answer for when the client asks again. When that fails the
// messages are safe all the same, and the ids made from the key keep a second
// attempt from doubling them.
func (h *Handler) remember(ctx context.Context, j *job, id string, status int, o outcome) {
	b, err := json.Marshal(o)
	if err == nil {
		a := Answer{Sum: hex.EncodeToString(j.sum.Sum(nil)), Status: status, Body: b, At: vigil.InstantOf(h.c.Now())}
		err = h.c.Answers.SaveAnswer(context.WithoutCancel(ctx), id, a)
	}
	if err != nil {
		h.c.Log.Error("cannot remember answer", "err", err)
	}
}

// replay answers from memory when the body is the same as then.
func (h *Handler) replay(w http.ResponseWriter, j *job, old Answer) {
	if _, err := io.Copy(io.Discard, struct{ io.Reader }{j.body}); err != nil {
		h.fail(w, err)
		return
	}
	if hex.EncodeToString(j.sum.Sum(nil)) != old.Sum {
		h.fail(w, failure{vigil.Errorf(vigil.Conflicting, "this Idempotency-Key was used for another request"), http.StatusUnprocessableEntity})
		return
	}
	var o outcome
	if err := json.Unmarshal(old.Body, &o); err != nil {
		h.fail(w, fmt.Errorf("read remembered answer: %w", err))
		return
	}
	o.Accepted, o.Repeated = 0, o.Accepted+o.Repeated
	h.stats.replayed.Add(1)
	w.Header().Set("Idempotent-Replayed", "true")
	h.answer(w, old.Status, o, nil)
}
