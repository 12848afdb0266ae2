package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/vigil-iomt/vigil"
)

// A keptEntry is a quarantine entry with what the store alone needs to know of
// it. It is never changed: a change is another one under the same id.
type keptEntry struct {
	vigil.QuarantineEntry
	group string // key of the group that it is, "" for a single entry
	// sample: the message kept with a group was replayed already.
	sample bool
}

// with returns what an entry and another copy of it say together: who knows the
// refusal tells what it was, who ended it is right, then who had its sample
// replayed, then who counted more.
func (e *keptEntry) with(o *keptEntry) *keptEntry {
	switch {
	case e == nil:
		return o
	case o == nil:
		return e
	case e.early() != o.early():
		if e.early() {
			return o.endedLike(e)
		}
		return e.endedLike(o)
	case e.State != vigil.Open || o.State != vigil.Open:
		if e.State == vigil.Open {
			return o
		}
		return e
	case e.sample != o.sample:
		if o.sample {
			return o
		}
	case o.Count > e.Count:
		return o
	}
	return e
}

// early says whether an entry stands for one whose refusal is not read yet.
func (e *keptEntry) early() bool { return e.First == 0 }

// endedLike returns an entry that has ended if another copy of it has.
func (e *keptEntry) endedLike(o *keptEntry) *keptEntry {
	if e.State != vigil.Open || o.State == vigil.Open {
		return e
	}
	ended := *e
	ended.State, ended.Closed, ended.By = o.State, o.Closed, o.By
	return &ended
}

// quarantine holds what the database does not have yet, by who writes it, and
// counts.
type quarantine struct {
	limit int // entries of a device that are kept one by one

	slots[keptEntry, *keptEntry]
	waiting
}

// waiting counts what is open.
type waiting struct {
	open   map[vigil.DeviceID]int // open messages
	single map[vigil.DeviceID]int // open entries of one message
	groups map[string]string      // open groups: key → id
}

// entryV1 is the first byte of an entry's data: JSON of entryBody follows.
const entryV1 = 1

// entryBody is the part of an entry that is sealed. The payload is kept beside
// it, so that lists need not read it.
type entryBody struct {
	Pos     string        `json:"pos,omitempty"`
	Reason  string        `json:"reason"`
	Group   string        `json:"group,omitempty"`
	Sample  bool          `json:"sample,omitempty"`
	Message vigil.Message `json:"message"`
}

// take takes the record of a message in that was not understood. The caller
// holds the shard's lock.
func (t *taking) refused(ctx context.Context, r *vigil.Record) error {
	db, q, at := t.db, &t.db.quar, t.frame.At
	if r.Refusal == nil || r.Refusal.Entry == "" {
		return nil
	}
	known, err := db.entry(ctx, r.Refusal.Entry, false)
	if err != nil || known != nil && !known.early() {
		return err
	}
	e := &keptEntry{QuarantineEntry: vigil.QuarantineEntry{
		ID: r.Refusal.Entry, Device: r.Message.Device, Profile: r.Profile, State: vigil.Open, Refusal: *r.Refusal,
		Message: r.Message, Count: 1, First: cmp.Or(r.Message.Arrived, at), Last: cmp.Or(r.Message.Arrived, at),
	}}
	if known != nil { // its replay came first, through another partition
		q.put(t.slot(), e.endedLike(known), 0, 0)
		return nil
	}
	q.mu.Lock()
	full := q.single[e.Device] >= q.limit
	id := ""
	if full {
		e.group = hashID(string(e.Device), e.Profile, e.Pos, e.Reason)
		if db.c.Shared { // one partition, one writer
			e.group = hashID(e.group, strconv.Itoa(t.frame.Partition))
		}
		id = q.groups[e.group]
	}
	q.mu.Unlock()
	if full && id != "" {
		old, err := db.entry(ctx, id, false)
		if err != nil {
			return err
		}
		if old != nil {
			grown := *old
			grown.Count++
			grown.Last = max(grown.Last, e.Last)
			q.put(t.slot(), &grown, 1, 0)
			return nil
		}
	}
	if full {
		e.ID = "group-" + hashID(e.group, e.ID)
	}
	q.put(t.slot(), e, 1, flag(!full))
	return nil
}

// put lists an entry for writing and changes the counts of its device.
func (q *quarantine) put(slot int, e *keptEntry, open, single int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.list[slot].put(e.ID, e)
	q.count(e, open, single)
}

// count changes the counts of an entry's device.
func (q *waiting) count(e *keptEntry, open, single int) {
	q.open[e.Device] += open
	q.single[e.Device] += single
	if e.group == "" {
		return
	}
	if e.State == vigil.Open {
		q.groups[e.group] = e.ID
	} else if q.groups[e.group] == e.ID {
		delete(q.groups, e.group)
	}
}

// replayed notes that the message of an entry was understood. Of a group only
// the one message that was kept was.
func (t *taking) replayed(ctx context.Context, r *vigil.Record) error {
	q, at := &t.db.quar, max(t.frame.At, r.Message.Arrived)
	old, err := t.db.entry(ctx, r.Message.Replay, true)
	if err == nil && old == nil {
		t.early(r, at)
		return nil
	}
	if err != nil || old == nil || old.State != vigil.Open || old.sample {
		return err
	}
	e := *old
	if e.group != "" && e.Count > 1 {
		e.Count--
		e.sample = true
		q.put(t.slot(), &e, -1, 0)
		return nil
	}
	e.State, e.Closed = vigil.Replayed, at
	q.put(t.slot(), &e, -e.Count, -flag(e.group == ""))
	return nil
}

// early notes the replay of an entry whose own frame, in another partition, is
// not taken in yet: without a time, which that frame will bring with the reason.
func (t *taking) early(r *vigil.Record, at vigil.Instant) {
	e := &keptEntry{QuarantineEntry: vigil.QuarantineEntry{
		ID: r.Message.Replay, Device: r.Message.Device, Profile: r.Profile, State: vigil.Replayed, Message: r.Message,
		Count: 1, Closed: at, Refusal: vigil.Refusal{Entry: r.Message.Replay},
	}}
	e.Message.Replay = ""
	t.db.quar.put(t.slot(), e, 0, 0)
}

// QuarantineOpen returns how many messages of a device wait in the quarantine.
func (db *DB) QuarantineOpen(device vigil.DeviceID) int {
	db.quar.mu.Lock()
	defer db.quar.mu.Unlock()
	return db.quar.open[device]
}

// CloseQuarantine ends an open entry as state, by the actor of ctx. It is on
// disk when it returns.
func (db *DB) CloseQuarantine(ctx context.Context, id string, state vigil.QuarantineState, at vigil.Instant) error {
	if state != vigil.Closed && state != vigil.Replayed {
		return vigil.Errorf(vigil.Invalid, "an entry is closed as %s or %s", vigil.Closed, vigil.Replayed)
	}
	if db.c.Shared {
		return db.closeShared(ctx, id, state, at)
	}
	if err := db.closeEntry(ctx, id, state, at); err != nil {
		return err
	}
	return db.Checkpoint(ctx)
}

// closeShared ends an open entry in the database: whoever holds its partition
// may be another process.
func (db *DB) closeShared(ctx context.Context, id string, state vigil.QuarantineState, at vigil.Instant) error {
	e, err := db.closing(ctx, id, state, at)
	if err != nil {
		return err
	}
	err = db.d.in(ctx, func(tx *sql.Tx) error {
		return cmp.Or(db.writeEntries(ctx, tx, []*keptEntry{e}), tellOthers(ctx, tx))
	})
	if err != nil {
		return err
	}
	q := &db.quar
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.list {
		if q.list[i].get(id) != nil {
			q.list[i].put(id, e)
		}
	}
	q.count(e, -e.Count, -flag(e.group == ""))
	return nil
}

// closeEntry ends an open entry in memory.
func (db *DB) closeEntry(ctx context.Context, id string, state vigil.QuarantineState, at vigil.Instant) error {
	db.lockAll()
	defer db.unlockAll()
	e, err := db.closing(ctx, id, state, at)
	if err == nil {
		db.quar.put(0, e, -e.Count, -flag(e.group == ""))
	}
	return err
}

// closing returns an open entry as it is when it was ended.
func (db *DB) closing(ctx context.Context, id string, state vigil.QuarantineState, at vigil.Instant) (*keptEntry, error) {
	old, err := db.entry(ctx, id, true)
	switch {
	case err != nil:
		return nil, err
	case old == nil:
		return nil, vigil.Errorf(vigil.NotFound, "there is no such quarantine entry")
	case old.State != vigil.Open:
		return nil, vigil.Errorf(vigil.Conflicting, "the entry is %s already", old.State)
	}
	e := *old
	e.State, e.Closed = state, at
	if actor, ok := vigil.ActorFrom(ctx); ok {
		e.By = actor.ID
	}
	return &e, nil
}

// entry returns an entry, nil when there is none.
func (db *DB) entry(ctx context.Context, id string, payload bool) (*keptEntry, error) {
	mem := db.quar.get(id)
	if mem != nil && (!db.c.Shared || mem.State != vigil.Open) {
		return mem, nil
	}
	column := "NULL"
	if payload {
		column = "payload"
	}
	list, err := db.entryRows(ctx, column, `WHERE id = $1`, id)
	if err != nil || len(list) == 0 {
		return mem, err
	}
	return mem.with(list[0]), nil
}

// entryRows reads entries from the database.
func (db *DB) entryRows(ctx context.Context, payload, rest string, args ...any) ([]*keptEntry, error) {
	var out []*keptEntry
	err := db.d.each(ctx, func(rows scanner) error {
		e := &keptEntry{}
		var sealed, body []byte
		err := rows.Scan(&e.ID, &e.Device, &e.Profile, &e.State, &e.Count, &e.First, &e.Last, &e.Closed, &e.By, &sealed, &body)
		if err != nil {
			return fault("read quarantine entry", err)
		}
		plain, err := db.c.Sealer.Open(nil, sealed)
		if err != nil {
			return damaged("quarantine entry", err)
		}
		if len(plain) == 0 || plain[0] != entryV1 {
			return damaged("quarantine entry", errors.New("unknown version"))
		}
		var b entryBody
		if err := json.Unmarshal(plain[1:], &b); err != nil {
			return damaged("quarantine entry", err)
		}
		e.Refusal = vigil.Refusal{Pos: b.Pos, Reason: b.Reason, Entry: e.ID}
		e.group, e.sample, e.Message = b.Group, b.Sample, b.Message
		if body != nil {
			if e.Message.Payload, err = db.c.Sealer.Open(nil, body); err != nil {
				return damaged("quarantined message", err)
			}
		}
		out = append(out, e)
		return nil
	}, `SELECT id, device, profile, state, count, first, last, closed, closer, data, `+payload+` FROM quarantine `+rest, args...)
	return out, err
}

// Quarantine returns the entries that a query selects, newest first, without
// their messages.
func (db *DB) Quarantine(ctx context.Context, q vigil.QuarantineQuery) ([]vigil.QuarantineEntry, error) {
	mem := db.quar.all()
	if err := db.amend(ctx, mem); err != nil {
		return nil, err
	}
	var f filter
	if q.Device != "" {
		f.add("device = ?", string(q.Device))
	}
	if q.State != "" {
		f.add("state = ?", string(q.State))
	}
	if q.After != "" {
		f.add("id < ?", q.After)
	}
	order := " ORDER BY id DESC"
	if q.Limit > 0 {
		order += " LIMIT " + strconv.Itoa(q.Limit+len(mem))
	}
	list, err := db.entryRows(ctx, "NULL", f.where()+order, f.args...)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(e *keptEntry) bool { return mem[e.ID] != nil })
	for _, e := range mem {
		if (q.Device == "" || e.Device == q.Device) && (q.State == "" || e.State == q.State) && (q.After == "" || e.ID < q.After) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *keptEntry) int { return cmp.Compare(b.ID, a.ID) })
	if q.Limit > 0 && len(list) > q.Limit {
		list = list[:q.Limit]
	}
	out := make([]vigil.QuarantineEntry, len(list))
	for i, e := range list {
		out[i] = e.QuarantineEntry
		out[i].Message.Payload = nil
	}
	return out, nil
}

// QuarantineEntry returns one entry with its message.
func (db *DB) QuarantineEntry(ctx context.Context, id string) (vigil.QuarantineEntry, error) {
	e, err := db.entry(ctx, id, true)
	if err != nil {
		return vigil.QuarantineEntry{}, err
	}
	if e == nil {
		return vigil.QuarantineEntry{}, vigil.Errorf(vigil.NotFound, "there is no such quarantine entry")
	}
	return e.QuarantineEntry, nil
}

// loadQuarantine counts what is open.
func (db *DB) loadQuarantine(ctx context.Context) error {
	q := waiting{map[vigil.DeviceID]int{}, map[vigil.DeviceID]int{}, map[string]string{}}
	err := db.d.each(ctx, func(rows scanner) error {
		var d vigil.DeviceID
		var n int
		if err := rows.Scan(&d, &n); err != nil {
			return fault("count quarantine", err)
		}
		q.open[d], q.single[d] = n, n
		return nil
	}, `SELECT device, count(*) FROM quarantine WHERE state = $1 AND id NOT LIKE 'group-%' GROUP BY device`, string(vigil.Open))
	if err != nil {
		return err
	}
	groups, err := db.entryRows(ctx, "NULL", `WHERE state = $1 AND id LIKE 'group-%'`, string(vigil.Open))
	if err != nil {
		return err
	}
	for _, e := range groups {
		q.open[e.Device] += e.Count
		q.groups[e.group] = e.ID
	}
	if db.c.Shared {
		if err := db.countMemory(ctx, &q); err != nil {
			return err
		}
	}
	db.quar.mu.Lock()
	db.quar.waiting = q
	db.quar.mu.Unlock()
	return nil
}

// countMemory adds what is in memory to the counts of the database.
func (db *DB) countMemory(ctx context.Context, q *waiting) error {
	mem := db.quar.all()
	stored, err := db.storedEntries(ctx, mem)
	if err != nil {
		return err
	}
	open := func(e *keptEntry) (messages, singles int) {
		if e == nil || e.State != vigil.Open {
			return 0, 0
		}
		return e.Count, flag(e.group == "")
	}
	for id, e := range mem {
		was, wasSingle := open(stored[id])
		now, nowSingle := open(e.with(stored[id]))
		q.count(e, now-was, nowSingle-wasSingle)
	}
	return nil
}

// amend brings entries that are in memory up to what other processes wrote.
func (db *DB) amend(ctx context.Context, mem map[string]*keptEntry) error {
	if !db.c.Shared {
		return nil
	}
	stored, err := db.storedEntries(ctx, mem)
	for id, e := range stored {
		mem[id] = mem[id].with(e)
	}
	return err
}

// storedEntries returns what the database has of some entries.
func (db *DB) storedEntries(ctx context.Context, mem map[string]*keptEntry) (map[string]*keptEntry, error) {
	out := map[string]*keptEntry{}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(mem)), 512) {
		var f filter
		in(&f, "id", ids)
		list, err := db.entryRows(ctx, "NULL", f.where(), f.args...)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			out[e.ID] = e
		}
	}
	return out, nil
}

// entryChange says what becomes of a row that is there already. What is known of
// an entry is not overwritten by its early replay. Where others write, too, an
// entry that was ended stays ended, and counts do not fall back.
func (db *DB) entryChange() string {
	const known = `first = CASE WHEN quarantine.first = 0 THEN excluded.first ELSE quarantine.first END,
		data = CASE WHEN excluded.first = 0 THEN quarantine.data ELSE excluded.data END, `
	if !db.c.Shared {
		return known + `state = excluded.state, count = excluded.count, last = excluded.last,
			closed = excluded.closed, closer = excluded.closer`
	}
	return known + `state = CASE WHEN quarantine.state = 'open' THEN excluded.state ELSE quarantine.state END,
		count = CASE WHEN excluded.count > quarantine.count THEN excluded.count ELSE quarantine.count END,
		last = CASE WHEN excluded.last > quarantine.last THEN excluded.last ELSE quarantine.last END,
		closed = CASE WHEN quarantine.state = 'open' THEN excluded.closed ELSE quarantine.closed END,
		closer = CASE WHEN quarantine.state = 'open' THEN excluded.closer ELSE quarantine.closer END`
}

// writeEntries writes entries, new ones and changed ones.
func (db *DB) writeEntries(ctx context.Context, tx *sql.Tx, list []*keptEntry) error {
	in := db.d.insert(tx, "quarantine", "id, device, profile, state, count, first, last, closed, closer, data, payload",
		`ON CONFLICT (id) DO UPDATE SET `+db.entryChange())
	for _, e := range list {
		b := entryBody{e.Pos, e.Reason, e.group, e.sample, e.Message}
		b.Message.Payload = nil
		body, err := json.Marshal(b)
		if err != nil {
			return fmt.Errorf("write quarantine entry: %w", err)
		}
		err = in.row(ctx, e.ID, string(e.Device), e.Profile, string(e.State), e.Count, int64(e.First), int64(e.Last), int64(e.Closed), e.By,
			db.c.Sealer.Seal(nil, systemKey, append([]byte{entryV1}, body...)), db.c.Sealer.Seal(nil, systemKey, e.Message.Payload))
		if err != nil {
			return err
		}
	}
	return in.end(ctx)
}
