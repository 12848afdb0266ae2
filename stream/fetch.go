package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	fetchFrames = 64      // frames read from the server at once
	fetchBytes  = 4 << 20 // bytes after which the server stops
)

// A raw is a frame as the server keeps it.
type raw struct {
	subject string
	seq     uint64
	at      time.Time // when the server stored it
	data    []byte
}

// A getRequest asks for messages by sequence, by time, or for the last of each
// subject (ADR-31).
type getRequest struct {
	Seq      uint64     `json:"seq,omitempty"`
	Start    *time.Time `json:"start_time,omitempty"`
	Last     []string   `json:"multi_last,omitempty"`
	Batch    int        `json:"batch,omitempty"`
	MaxBytes int        `json:"max_bytes"`
}

// fetch reads up to n frames of a partition from seq on, skipping what is not
// there; none means that there is nothing from seq on.
func (j *Journal) fetch(ctx context.Context, partition int, seq uint64, n int) ([]raw, error) {
	return j.get(ctx, directGet(streamName(partition)), getRequest{Seq: max(seq, 1), Batch: n, MaxBytes: fetchBytes})
}

func (j *Journal) get(ctx context.Context, subject string, q getRequest) ([]raw, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("ask for frames: %w", err)
	}
	inbox := j.reads.NewRespInbox()
	sub, err := j.reads.SubscribeSync(inbox)
	if err != nil {
		return nil, fmt.Errorf("ask for frames: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, fmt.Errorf("ask for frames: %w", err)
	}
	if err := j.reads.PublishRequest(subject, inbox, body); err != nil {
		return nil, fmt.Errorf("ask for frames: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	var out []raw
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, fmt.Errorf("read frames: %w", err)
		}
		switch status := m.Header.Get("Status"); status {
		case "":
			r, err := rawOf(m)
			if err != nil {
				return nil, err
			}
			out = append(out, r)
		case "204", "404": // the end of the batch; nothing there
			return out, nil
		default:
			return nil, fmt.Errorf("read frames: status %s %s", status, m.Header.Get("Description"))
		}
	}
}

func rawOf(m *nats.Msg) (raw, error) {
	seq, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return raw{}, fmt.Errorf("read frames: sequence: %w", err)
	}
	at, err := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	if err != nil {
		return raw{}, fmt.Errorf("read frames: time: %w", err)
	}
	return raw{subject: m.Header.Get("Nats-Subject"), seq: seq, at: at, data: m.Data}, nil
}
