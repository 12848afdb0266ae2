package store

import (
	"cmp"
	"maps"
	"slices"
	"sync"
)

// A copied is something that may be listed in more than one slot: with returns
// what two copies of it say together, each of which may be nil.
type copied[T any] interface {
	*T
	with(o *T) *T
}

// A slots holds what the database does not have yet, or not like this, by who
// writes it.
type slots[T any, P copied[T]] struct {
	mu   sync.Mutex
	list []slot[T]
}

// A slot is what the holder of one partition has to write, by id. In a store
// that is alone there is one for all.
type slot[T any] struct{ pending, writing map[string]*T }

// put lists something for writing.
func (s *slot[T]) put(id string, v *T) {
	if s.pending == nil {
		s.pending = map[string]*T{}
	}
	s.pending[id] = v
}

// get returns what is listed under an id, nil when nothing is.
func (s *slot[T]) get(id string) *T { return cmp.Or(s.pending[id], s.writing[id]) }

// cut takes what is to be written.
func (s *slot[T]) cut() map[string]*T {
	s.giveBack()
	s.writing, s.pending = s.pending, nil
	return s.writing
}

// giveBack lists again what could not be written.
func (s *slot[T]) giveBack() {
	for id, v := range s.writing {
		if _, newer := s.pending[id]; !newer {
			s.put(id, v)
		}
	}
	s.writing = nil
}

// get returns what is in memory under an id, nil when nothing is.
func (l *slots[T, P]) get(id string) *T {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out *T
	for i := range l.list {
		out = P(out).with(l.list[i].get(id))
	}
	return out
}

// all returns what is in memory, by id.
func (l *slots[T, P]) all() map[string]*T {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]*T{}
	for i := range l.list {
		s := &l.list[i]
		for _, m := range []map[string]*T{s.pending, s.writing} {
			for id := range m {
				out[id] = P(out[id]).with(s.get(id))
			}
		}
	}
	return out
}

// cut takes what is to be written from the slots that are held, by id, each
// once.
func (l *slots[T, P]) cut(held func(slot int) bool) []*T {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[string]*T{}
	for i := range l.list {
		if !held(i) {
			continue
		}
		for id, v := range l.list[i].cut() {
			all[id] = P(all[id]).with(v)
		}
	}
	out := make([]*T, 0, len(all))
	for _, id := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[id])
	}
	return out
}

// swap puts other contents into a slot and returns what was there.
func (l *slots[T, P]) swap(i int, s slot[T]) slot[T] {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, l.list[i] = l.list[i], s
	return s
}

// giveBack lists again what could not be written.
func (l *slots[T, P]) giveBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.list {
		l.list[i].giveBack()
	}
}

// settle forgets what was written.
func (l *slots[T, P]) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.list {
		l.list[i].writing = nil
	}
}
