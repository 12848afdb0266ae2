package app

import (
	"context"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fleet"
)

// A gate is the registry as drivers see it. It counts whom it turns away, so
// that the doctor can name them.
type gate struct {
	*fleet.Registry
	turned *turned
}

// Authenticate returns the device that id and secret belong to.
func (g gate) Authenticate(ctx context.Context, id vigil.DeviceID, secret string) (vigil.Device, error) {
	d, err := g.Registry.Authenticate(ctx, id, secret)
	if err == nil {
		return d, nil
	}
	switch _, known := g.Device(id); {
	case !known:
		g.turned.add("", wrongID)
	case vigil.KindOf(err) == vigil.Forbidden:
		g.turned.add(id, wasRevoked)
	default:
		g.turned.add(id, wrongWord)
	}
	return d, err
}

// MaySpeak tells whether a device may deliver messages of another one.
func (g gate) MaySpeak(speaker vigil.Device, other vigil.DeviceID) bool {
	may := g.Registry.MaySpeak(speaker, other)
	if !may {
		g.turned.add(speaker.ID, spokeForOthers)
	}
	return may
}

// Why somebody was turned away.
const (
	wrongWord      = "wrong secret"
	wasRevoked     = "revoked"
	spokeForOthers = "spoke for a device that it may not speak for"
	wrongID        = "unknown id"
)

// A refusal is one reason for one device; the device is "" for ids that nobody
// registered, which are not remembered one by one.
type refusal struct {
	device vigil.DeviceID
	reason string
}

// turned counts refusals in the present hour and keeps those of the one before.
type turned struct {
	now func() time.Time

	mu           sync.Mutex
	begun        time.Time
	this, before map[refusal]int
}

// newTurned starts counting.
func newTurned(now func() time.Time) *turned {
	return &turned{now: now, begun: now(), this: map[refusal]int{}}
}

// add counts one refusal.
func (t *turned) add(id vigil.DeviceID, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn()
	t.this[refusal{id, reason}]++
}

// turn begins a new hour when it is time.
func (t *turned) turn() {
	now := t.now()
	switch age := now.Sub(t.begun); {
	case age >= 2*time.Hour:
		t.this, t.before, t.begun = map[refusal]int{}, nil, now
	case age >= time.Hour:
		t.before, t.this, t.begun = t.this, map[refusal]int{}, t.begun.Add(time.Hour)
	}
}

// recent returns the refusals of the last one to two hours.
func (t *turned) recent() map[refusal]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn()
	out := map[refusal]int{}
	for _, hour := range []map[refusal]int{t.before, t.this} {
		for who, n := range hour {
			out[who] += n
		}
	}
	return out
}
