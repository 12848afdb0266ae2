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
	"sync"

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

// quarantine holds what the database does not have yet, and counts.
type quarantine struct {
	limit int // entries of a device that are kept one by one

	mu               sync.Mutex
	pending, writing map[string]*keptEntry
	open             map[vigil.DeviceID]int // open messages
	single           map[vigil.DeviceID]int // open entries of one message
	groups           map[string]string      // open groups: key → id
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
func (q *quarantine) take(ctx context.Context, db *DB, r *vigil.Record, at vigil.Instant) error {
	if r.Refusal == nil || r.Refusal.Entry == "" {
		return nil
	}
	known, err := db.entry(ctx, r.Refusal.Entry, false)
	if err != nil || known != nil {
		return err
	}
	e := &keptEntry{QuarantineEntry: vigil.QuarantineEntry{
		ID: r.Refusal.Entry, Device: r.Message.Device, Profile: r.Profile, State: vigil.Open, Refusal: *r.Refusal,
		Message: r.Message, Count: 1, First: cmp.Or(r.Message.Arrived, at), Last: cmp.Or(r.Message.Arrived, at),
	}}
	q.mu.Lock()
	full := q.single[e.Device] >= q.limit
	id := ""
	if full {
		e.group = hashID(string(e.Device), e.Profile, e.Pos, e.Reason)
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
			q.put(&grown, 1, 0)
			return nil
		}
	}
	if full {
		e.ID = "group-" + hashID(e.group, e.ID)
	}
	q.put(e, 1, flag(!full))
	return nil
}

// put lists an entry for writing and changes the counts of its device.
func (q *quarantine) put(e *keptEntry, open, single int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.pending == nil {
		q.pending = map[string]*keptEntry{}
	}
	q.pending[e.ID] = e
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
func (q *quarantine) replayed(ctx context.Context, db *DB, id string, at vigil.Instant) error {
	old, err := db.entry(ctx, id, true)
	if err != nil || old == nil || old.State != vigil.Open || old.sample {
		return err
	}
	e := *old
	if e.group != "" && e.Count > 1 {
		e.Count--
		e.sample = true
		q.put(&e, -1, 0)
		return nil
	}
	e.State, e.Closed = vigil.Replayed, at
	q.put(&e, -e.Count, -flag(e.group == ""))
	return nil
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
	if err := db.closeEntry(ctx, id, state, at); err != nil {
		return err
	}
	return db.Checkpoint(ctx)
}

// closeEntry ends an open entry in memory.
func (db *DB) closeEntry(ctx context.Context, id string, state vigil.QuarantineState, at vigil.Instant) error {
	db.lockAll()
	defer db.unlockAll()
	old, err := db.entry(ctx, id, true)
	switch {
	case err != nil:
		return err
	case old == nil:
		return vigil.Errorf(vigil.NotFound, "there is no such quarantine entry")
	case old.State != vigil.Open:
		return vigil.Errorf(vigil.Conflicting, "the entry is %s already", old.State)
	}
	e := *old
	e.State, e.Closed = state, at
	if actor, ok := vigil.ActorFrom(ctx); ok {
		e.By = actor.ID
	}
	db.quar.put(&e, -e.Count, -flag(e.group == ""))
	return nil
}

// inMemory returns an entry that the database does not have yet, or not like
// this.
func (q *quarantine) inMemory(id string) *keptEntry {
	q.mu.Lock()
	defer q.mu.Unlock()
	return cmp.Or(q.pending[id], q.writing[id])
}

// entry returns an entry, nil when there is none.
func (db *DB) entry(ctx context.Context, id string, payload bool) (*keptEntry, error) {
	if e := db.quar.inMemory(id); e != nil {
		return e, nil
	}
	column := "NULL"
	if payload {
		column = "payload"
	}
	list, err := db.entryRows(ctx, column, `WHERE id = $1`, id)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
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
	db.quar.mu.Lock()
	mem := maps.Clone(db.quar.writing)
	if mem == nil {
		mem = map[string]*keptEntry{}
	}
	maps.Copy(mem, db.quar.pending)
	db.quar.mu.Unlock()
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
	q := &db.quar
	q.open, q.single, q.groups = map[vigil.DeviceID]int{}, map[vigil.DeviceID]int{}, map[string]string{}
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
	return nil
}

// cut takes what is to be written.
func (q *quarantine) cut() []*keptEntry {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writing, q.pending = q.pending, nil
	return slices.Collect(maps.Values(q.writing))
}

// giveBack lists again what could not be written.
func (q *quarantine) giveBack(list []*keptEntry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writing = nil
	if q.pending == nil {
		q.pending = map[string]*keptEntry{}
	}
	for _, e := range list {
		if _, newer := q.pending[e.ID]; !newer {
			q.pending[e.ID] = e
		}
	}
}

// settle forgets what was written.
func (q *quarantine) settle([]*keptEntry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writing = nil
}

// writeEntries writes entries, new ones and changed ones.
func (db *DB) writeEntries(ctx context.Context, tx *sql.Tx, list []*keptEntry) error {
	in := db.d.insert(tx, "quarantine", "id, device, profile, state, count, first, last, closed, closer, data, payload",
		`ON CONFLICT (id) DO UPDATE SET state = excluded.state, count = excluded.count, last = excluded.last,
		closed = excluded.closed, closer = excluded.closer, data = excluded.data`)
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
