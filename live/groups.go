package live

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/vigil-iomt/vigil"
)

// The lanes: how soon a changed reading is sent.
const (
	paced     = iota // once a tick
	fast             // as soon as it is stored, for measuring
	laneCount = 2
)

// A lane counts its subscribers and can be woken.
type lane struct {
	groups atomic.Int64
	wake   chan struct{}
	// again are series that could not be read at the last flush. Guarded by
	// Hub.flushing.
	again []*series
}

// init makes the signal.
func (l *lane) init() { l.wake = make(chan struct{}, 1) }

// signal wakes the lane, now or after its present run.
func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// An interest is what a client wants to see.
type interest struct {
	all      bool
	lane     int
	subjects []vigil.Subject // sorted, each once
}

// newInterest sorts out a subscription.
func newInterest(all bool, lane int, subjects []vigil.Subject) interest {
	slices.SortFunc(subjects, compareSubjects)
	return interest{all, lane, slices.Compact(subjects)}
}

// compareSubjects orders subjects by kind and id.
func compareSubjects(a, b vigil.Subject) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), strings.Compare(a.ID, b.ID))
}

// key is equal for equal interests.
func (i interest) key() string {
	var b strings.Builder
	b.WriteByte(byte('0' + i.lane))
	if i.all {
		b.WriteByte('*')
	}
	for _, s := range i.subjects {
		b.WriteByte(' ')
		b.WriteString(s.String())
	}
	return b.String()
}

// A group is all clients with equal interests: what is sent to one is encoded
// once for all.
type group struct {
	interest
	name    string
	wanted  map[vigil.Subject]struct{}
	clients map[*client]struct{}
}

// wants tells whether the group sees a subject.
func (g *group) wants(s vigil.Subject) bool {
	if g.all {
		return true
	}
	_, ok := g.wanted[s]
	return ok
}

// join moves a client into the group of its interest, and tells where the
// events stand that it gets from now on.
func (h *Hub) join(c *client, want interest) *group {
	g, ok := h.groups[want.key()]
	if !ok {
		g = &group{
			interest: want, name: want.key(), wanted: map[vigil.Subject]struct{}{}, clients: map[*client]struct{}{},
		}
		h.groups[g.name] = g
		h.lanes[g.lane].groups.Add(1)
		if g.all {
			h.forAll = append(h.forAll, g)
		}
		for _, s := range g.subjects {
			g.wanted[s] = struct{}{}
			if !g.all {
				h.bySubject[s] = append(h.bySubject[s], g)
			}
		}
	}
	g.clients[c] = struct{}{}
	if c.group != g {
		h.leave(c)
	}
	c.group = g
	return g
}

// leave takes a client out of its group and drops the group when it is empty.
// The caller holds mu.
func (h *Hub) leave(c *client) {
	g := c.group
	if g == nil {
		return
	}
	c.group = nil
	delete(g.clients, c)
	if len(g.clients) > 0 {
		return
	}
	delete(h.groups, g.name)
	h.lanes[g.lane].groups.Add(-1)
	isThis := func(o *group) bool { return o == g }
	if g.all {
		h.forAll = slices.DeleteFunc(h.forAll, isThis)
		return
	}
	for _, s := range g.subjects {
		if rest := slices.DeleteFunc(h.bySubject[s], isThis); len(rest) > 0 {
			h.bySubject[s] = rest
		} else {
			delete(h.bySubject, s)
		}
	}
}

// eachGroup calls do for every group that sees a subject. The caller holds mu.
func (h *Hub) eachGroup(s vigil.Subject, do func(*group)) {
	for _, g := range h.bySubject[s] {
		do(g)
	}
	for _, g := range h.forAll {
		do(g)
	}
}
