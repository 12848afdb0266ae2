package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/vigil-iomt/vigil"
)

// A move is a reattribution that was carried out: what the device measured
// during an interval belongs to another subject. What ingest took in after at
// knew of it already.
type move struct {
	id     string
	device vigil.DeviceID
	during vigil.Interval
	to     vigil.Subject
	at     vigil.Instant

	part     int           // partition of the journal that it came in, where the new subject is at home; -1: not known
	position uint64        // there
	carried  vigil.Instant // when something followed it last, as far as is known
}

// A moveLog knows every move. Readings of the old subject may still be on their
// way through another partition when the move comes through its own; they
// follow it when they arrive.
type moveLog struct {
	byDevice atomic.Pointer[map[vigil.DeviceID][]move] // as they were decided; replaced, never changed

	mu    sync.Mutex
	slots []moveSlot // by who writes them
}

// A moveSlot is what the holder of one partition has to write.
type moveSlot struct {
	pending []move
	cutting int // how many of pending are being written
}

// list lists a move for writing.
func (l *moveLog) list(slot int, m move) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slots[slot].pending = append(l.slots[slot].pending, m)
}

// of returns the moves of a device.
func (l *moveLog) of(d vigil.DeviceID) []move {
	if m := l.byDevice.Load(); m != nil {
		return (*m)[d]
	}
	return nil
}

// add puts moves into memory. The caller holds mu, or is alone.
func (l *moveLog) add(list ...move) {
	next := map[vigil.DeviceID][]move{}
	if old := l.byDevice.Load(); old != nil {
		for d, ms := range *old {
			next[d] = ms
		}
	}
	for _, m := range list {
		ms := slices.DeleteFunc(slices.Clone(next[m.device]), func(o move) bool { return o.id == m.id })
		ms = append(ms, m)
		slices.SortFunc(ms, inTurn)
		next[m.device] = ms
	}
	l.byDevice.Store(&next)
}

// inTurn orders moves as they were decided.
func inTurn(a, b move) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id)) }

// governs returns the move that decides about something that was taken at one
// time and arrived at another: the last one whose interval holds it, if it had
// arrived by then. What arrived later was given to its subject by ingest.
func governs(moves []move, taken, arrived vigil.Instant) (move, bool) {
	m, ok := last(moves, taken)
	return m, ok && arrived <= m.at
}

// last returns the last move whose interval holds an instant.
func last(moves []move, taken vigil.Instant) (move, bool) {
	for i := len(moves) - 1; i >= 0; i-- {
		if m := moves[i]; m.during.Holds(taken) {
			return m, true
		}
	}
	return move{}, false
}

// reattributed carries a reattribution out, once.
func (t *taking) reattributed(ctx context.Context, r *vigil.Record, item uint64) error {
	db := t.db
	defer t.lockAll()()
	if item < t.sh.items {
		return nil
	}
	m := move{
		id: r.Change.ID, device: r.Change.Device, during: r.Change.During, to: r.Change.To,
		at:   cmp.Or(r.Change.At, max(t.frame.At, r.Message.Arrived)),
		part: t.sh.no, position: t.position(item), carried: vigil.InstantOf(db.c.Now()),
	}
	switch slices.ContainsFunc(db.moves.of(m.device), func(o move) bool { return o.id == m.id }) {
	case true:
		if db.c.Shared { // it was learnt otherwise, or its partition was built anew
			db.moves.list(t.slot(), m)
		}
	case false:
		known := append(slices.Clone(db.moves.of(m.device)), m)
		slices.SortFunc(known, inTurn)
		if err := t.carry(ctx, m, known, item); err != nil {
			return err
		}
		db.moves.add(m)
		db.moves.list(t.slot(), m)
	}
	t.sh.items = item + 1
	return nil
}

// followMoves lets a record follow moves that overtook it in another partition.
func (t *taking) followMoves(ctx context.Context, r *vigil.Record, item uint64) error {
	moves := t.db.moves.of(r.Message.Device)
	if len(moves) == 0 || r.Kind != vigil.Understood {
		return nil
	}
	var due []move
	see := func(taken vigil.Instant) {
		if m, ok := last(moves, taken); ok && r.Known < m.at && m.to != r.Subject &&
			!slices.ContainsFunc(due, func(o move) bool { return o.id == m.id }) {
			due = append(due, m)
		}
	}
	for i := range r.Readings {
		see(r.Readings[i].Taken)
	}
	for i := range r.Waves {
		see(r.Waves[i].Start)
	}
	for i := range r.Events {
		see(r.Events[i].Taken)
	}
	if len(due) == 0 {
		return nil
	}
	defer t.lockAll()()
	for _, m := range due {
		if err := t.carry(ctx, m, moves, item); err != nil {
			return err
		}
		if t.db.c.Shared { // others carry it again when they build on this
			m.carried = vigil.InstantOf(t.db.c.Now())
			t.db.moves.add(m)
			t.db.moves.list(t.slot(), m)
		}
	}
	return nil
}

// carry moves everything that m governs to m's subject. Doing it again moves
// what has come since. The caller holds every lock.
func (t *taking) carry(ctx context.Context, m move, moves []move, item uint64) error {
	for _, s := range t.db.origins(m) {
		if err := t.db.load(ctx, s); err != nil {
			return err
		}
		moving := t.carryPoints
		if s.wave {
			moving = t.carryWaves
		}
		if err := moving(ctx, s, m, moves); err != nil {
			return err
		}
	}
	return t.carryEvents(ctx, m, moves, item)
}

// origins returns the series that a move may take something from, by id.
func (db *DB) origins(m move) []*series {
	from := db.dict.all(func(s *series) bool { return s.device == m.device && s.subject != m.to })
	slices.SortFunc(from, func(a, b *series) int { return cmp.Compare(a.id, b.id) })
	return from
}

// target returns the series of m's subject that takes what s has, made when
// there is none.
func (t *taking) target(ctx context.Context, s *series, m move) (*series, error) {
	metric := s.metric.Load()
	to, id := t.db.dict.find(m.to, s.device, s.channel, metric)
	if to == nil {
		home := t.sh
		if m.part >= 0 && m.part < len(t.db.shards) {
			home = t.db.shards[m.part]
		}
		to = t.db.create(home, id, m.to, s.device, s.channel, metric)
	}
	return to, t.db.load(ctx, to)
}

// carryPoints moves the points of one series: the new subject gets them with
// the next attribution number, the old one keeps them with a last version that
// is entered in error.
func (t *taking) carryPoints(ctx context.Context, s *series, m move, moves []move) error {
	v, err := t.db.lookLocked(ctx, s)
	if err != nil {
		return err
	}
	var to *series
	var failed error
	err = t.db.scan(ctx, v, bounds(m.during), false, func(pts []vigil.Point) bool {
		for i := range pts {
			p := pts[i]
			if g, ok := governs(moves, p.Taken, p.Arrived); !stands(&p) || !ok || g.id != m.id {
				continue
			}
			if to == nil {
				if to, failed = t.target(ctx, s, m); failed != nil {
					return false
				}
			}
			if failed = t.carryPoint(ctx, s, to, p, true); failed != nil {
				return false
			}
		}
		return true
	})
	return cmp.Or(failed, err)
}

// carryPoint moves one point; withdraw ends it where it was.
func (t *taking) carryPoint(ctx context.Context, s, to *series, p vigil.Point, withdraw bool) error {
	home := to.home.Load()
	given := p
	given.Attribution++
	given.Version, given.Conflict = 1, 0
	given.Quality &^= vigil.Conflict
	known, err := t.db.known(ctx, home, to, p.KeyKind, p.Key)
	if err != nil {
		return err
	}
	v := judge(&given, known, false)
	if !v.repeat {
		for _, patch := range v.patches {
			if err := home.put(to, patch, t.epoch); err != nil {
				return err
			}
		}
		if err := home.put(to, given, t.epoch); err != nil {
			return err
		}
	}
	t.counts.moved++
	if !withdraw {
		return nil
	}
	old, gone := p, p
	old.Quality |= superseded
	gone.Version++
	gone.Quality |= vigil.EnteredInError
	if err := s.home.Load().put(s, old, t.epoch); err != nil {
		return err
	}
	return s.home.Load().put(s, gone, t.epoch)
}

// carryWaves moves the blocks of one wave.
func (t *taking) carryWaves(ctx context.Context, s *series, m move, moves []move) error {
	v, err := t.db.lookLocked(ctx, s)
	if err != nil {
		return err
	}
	// The arrival of a block is not kept; its time stands in.
	blocks, err := t.db.waves(ctx, v, bounds(m.during), 0, func(w *vigil.Wave) bool {
		g, ok := governs(moves, w.Start, min(w.Start, m.at))
		return !w.Quality.Has(vigil.EnteredInError) && ok && g.id == m.id && w.Start <= m.at
	})
	if err != nil || len(blocks) == 0 {
		return err
	}
	to, err := t.target(ctx, s, m)
	if err != nil {
		return err
	}
	for _, w := range blocks {
		if err := t.giveWave(ctx, to, w); err != nil {
			return err
		}
		w.Quality |= vigil.EnteredInError
		if err := s.home.Load().putWave(s, w, t.epoch); err != nil {
			return err
		}
		t.counts.moved++
	}
	return nil
}

// giveWave gives one block to another series, unless it has it.
func (t *taking) giveWave(ctx context.Context, to *series, w vigil.Wave) error {
	home := to.home.Load()
	known, err := t.db.knownWaves(ctx, home, to, w.KeyKind, w.Key)
	if err != nil {
		return err
	}
	here := slices.ContainsFunc(known, func(k vigil.Wave) bool {
		return !k.Quality.Has(vigil.EnteredInError) && sameSamples(&k, &w)
	})
	if here {
		return nil
	}
	w.Quality = w.Quality&^(inner|vigil.Conflict|vigil.EnteredInError) | attributed(attributionOf(&w)+1)
	return home.putWave(to, w, t.epoch)
}

// carryEvents moves the events of a device. The new ones enter the journal's
// order where the move did.
func (t *taking) carryEvents(ctx context.Context, m move, moves []move, item uint64) error {
	var f filter
	f.add("device = ?", string(m.device))
	f.add("(quality & ?) = 0", int64(vigil.EnteredInError))
	in := bounds(m.during)
	f.add("taken >= ?", int64(in.From))
	f.add("taken < ?", int64(in.To))
	list, err := t.db.eventRows(ctx, f.where(), f.args...)
	if err != nil {
		return err
	}
	mem := t.db.events.all()
	list = slices.DeleteFunc(list, func(e *keptEvent) bool { return mem[e.ID] != nil })
	for _, e := range mem {
		if e.Device == m.device && !e.Quality.Has(vigil.EnteredInError) && m.during.Holds(e.Taken) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *keptEvent) int { return cmp.Or(cmp.Compare(a.Taken, b.Taken), cmp.Compare(a.ID, b.ID)) })
	for _, e := range list {
		if g, ok := governs(moves, e.Taken, e.Arrived); e.Subject == m.to || !ok || g.id != m.id {
			continue
		}
		given, gone := *e, *e
		given.attribution++
		given.ID = hashID(e.ID, m.to.String(), strconv.Itoa(int(given.attribution)))
		given.Subject, given.Partition, given.Position = m.to, t.frame.Partition, t.position(item)
		gone.Quality |= vigil.EnteredInError
		slot := t.db.slotOfDevice(m.device)
		t.db.events.put(slot, &given)
		t.db.events.put(slot, &gone)
		t.counts.moved++
	}
	return nil
}

// loadMoves reads the moves.
func (db *DB) loadMoves(ctx context.Context) error {
	var list []move
	err := db.d.each(ctx, func(rows scanner) error {
		var m move
		if err := m.scan(rows); err != nil {
			return err
		}
		list = append(list, m)
		return nil
	}, `SELECT `+moveColumns+` FROM moves`)
	db.moves.add(list...)
	return err
}

// moveColumns are the columns that scan reads.
const moveColumns = `id, device, t0, t1, target, at, part, position, carried`

// scan reads a move.
func (m *move) scan(rows scanner) error {
	var to string
	var position int64
	if err := rows.Scan(&m.id, &m.device, &m.during.From, &m.during.To, &to, &m.at, &m.part, &position, &m.carried); err != nil {
		return fault("read reattribution", err)
	}
	m.position = uint64(position) // #nosec G115 -- written from this type
	var err error
	if m.to, err = vigil.ParseSubject(to); err != nil {
		return damaged("reattribution", err)
	}
	return nil
}

// writeMoves writes moves that were carried out.
func (db *DB) writeMoves(ctx context.Context, tx *sql.Tx, list []move) error {
	in := db.d.insert(tx, "moves", moveColumns, `ON CONFLICT (id) DO UPDATE SET
		carried = CASE WHEN excluded.carried > moves.carried THEN excluded.carried ELSE moves.carried END`)
	for _, m := range list {
		err := in.row(ctx, m.id, string(m.device), int64(m.during.From), int64(m.during.To), m.to.String(), int64(m.at),
			m.part, int64(m.position), int64(m.carried)) // #nosec G115 -- read back as it was
		if err != nil {
			return err
		}
	}
	return in.end(ctx)
}

// cut takes what is to be written, each move once.
func (l *moveLog) cut(held func(slot int) bool) []move {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := map[string]move{}
	for i := range l.slots {
		if s := &l.slots[i]; held(i) {
			s.cutting = len(s.pending)
			for _, m := range s.pending {
				if m.carried >= last[m.id].carried {
					last[m.id] = m
				}
			}
		}
	}
	return slices.SortedFunc(maps.Values(last), func(a, b move) int { return cmp.Compare(a.id, b.id) })
}

// swap puts other contents into a slot and returns what was there.
func (l *moveLog) swap(i int, s moveSlot) moveSlot {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, l.slots[i] = l.slots[i], s
	return s
}

// giveBack lists again what could not be written.
func (l *moveLog) giveBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.slots {
		l.slots[i].cutting = 0
	}
}

// settle forgets what was written.
func (l *moveLog) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.slots {
		s := &l.slots[i]
		s.pending, s.cutting = slices.Clone(s.pending[s.cutting:]), 0
	}
}
