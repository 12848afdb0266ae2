package ingest

import (
	"context"
	"errors"

	"github.com/vigil-iomt/vigil"
)

// Entries is the quarantine as replay needs it.
type Entries interface {
	QuarantineEntry(ctx context.Context, id string) (vigil.QuarantineEntry, error)
	Quarantine(ctx context.Context, q vigil.QuarantineQuery) ([]vigil.QuarantineEntry, error)
}

// A Replay is the outcome of replaying one entry.
type Replay struct {
	Entry   string
	Refusal *vigil.Refusal // nil when it was understood this time
}

// Replay puts a quarantined message through the pipeline again, with the
// profile as it is now, its own arrival time and its own ids: what landed
// before does not land twice. When it is understood, its entry closes; the
// entry's closing travels in the same journal record as its readings.
func (in *Ingest) Replay(ctx context.Context, entries Entries, id string) (Replay, error) {
	e, err := entries.QuarantineEntry(ctx, id)
	if err != nil {
		return Replay{}, err
	}
	if e.State != vigil.Open {
		return Replay{}, vigil.Errorf(vigil.Conflicting, "the entry is %s already", e.State)
	}
	m := e.Message
	m.Replay = e.ID
	m.Protocol = "replay"
	safe := make(chan error, 1)
	in.Take(m, func(err error) { safe <- err })
	select {
	case err = <-safe:
	case <-ctx.Done():
		return Replay{}, ctx.Err()
	}
	var refusal *vigil.Refusal
	if errors.As(err, &refusal) {
		return Replay{Entry: id, Refusal: refusal}, nil
	}
	return Replay{Entry: id}, err
}

// replayPage is how many entries are read at once.
const replayPage = 500

// ReplayAll replays every open entry of a device, or of all devices when it is
// empty, oldest last, and returns the outcome of each.
func (in *Ingest) ReplayAll(ctx context.Context, entries Entries, device vigil.DeviceID) ([]Replay, error) {
	var out []Replay
	after := ""
	for {
		page, err := entries.Quarantine(ctx, vigil.QuarantineQuery{
			Device: device, State: vigil.Open, After: after, Limit: replayPage,
		})
		if err != nil || len(page) == 0 {
			return out, err
		}
		for _, e := range page {
			after = e.ID
			r, err := in.Replay(ctx, entries, e.ID)
			if vigil.KindOf(err) == vigil.Conflicting {
				continue // somebody else closed it meanwhile
			}
			if err != nil {
				return out, err
			}
			out = append(out, r)
		}
	}
}
