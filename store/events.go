package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// A keptEvent is an event with what the store alone needs to know of it. It is
// never changed: a change is another one under the same id.
type keptEvent struct {
	vigil.StoredEvent
	stated      vigil.Instant
	attribution uint8
}

// with returns an event with the flags of another copy of it. Flags are only
// ever added.
func (e *keptEvent) with(o *keptEvent) *keptEvent {
	switch {
	case e == nil:
		return o
	case o == nil || e.Quality|o.Quality == e.Quality:
		return e
	}
	both := *e
	both.Quality |= o.Quality
	return &both
}

// An eventLog holds the events that the database does not have yet, by who
// writes them.
type eventLog struct {
	slots[keptEvent, *keptEvent]
}

// slotOf returns the slot of what a frame of a partition says.
func (db *DB) slotOf(partition int) int {
	if !db.c.Shared {
		return 0
	}
	return partition
}

// slotOfDevice returns the slot of how the events of a device change their
// subject. It has to be the same in whatever order frames of several partitions
// are taken in.
func (db *DB) slotOfDevice(d vigil.DeviceID) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(d))
	return db.slotOf(int(h.Sum32() % uint32(len(db.shards)))) // #nosec G115 -- a few
}

// eventV1 is the first byte of an event's data: JSON of eventBody follows.
const eventV1 = 1

// eventBody is the part of an event that is sealed.
type eventBody struct {
	Channel string        `json:"channel,omitempty"`
	Title   string        `json:"title,omitempty"`
	Codes   []vigil.Code  `json:"codes,omitempty"`
	Arrived vigil.Instant `json:"arrived"`
	Stated  vigil.Instant `json:"stated,omitzero"`
	Data    []byte        `json:"data,omitempty"`
}

// hashID makes an id of parts.
func hashID(parts ...string) string {
	var b []byte
	for _, p := range parts {
		b = append(binary.AppendUvarint(b, uint64(len(p))), p...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// event takes one event in: the one that is number k of its record.
func (t *taking) event(ctx context.Context, r *vigil.Record, v *vigil.Event, item uint64, k int, again bool) error {
	if again && v.KeyKind == vigil.KeyMessage {
		t.counts.repeats++
		return nil
	}
	identity := strconv.FormatUint(v.Key, 10)
	switch v.KeyKind {
	case vigil.KeyPosition:
		identity = fmt.Sprintf("%d/%d", t.frame.Partition, t.position(item))
	case vigil.KeyMessage:
		identity = fmt.Sprintf("%s/%d", r.Message.ID, k)
	case vigil.KeyNumber, vigil.KeyTime:
	}
	e := &keptEvent{stated: v.Stated, attribution: r.Attribution, StoredEvent: vigil.StoredEvent{
		ID:      hashID(string(r.Message.Device), r.Message.Channel, v.Type, strconv.Itoa(int(v.KeyKind)), identity),
		Subject: r.Subject, Device: r.Message.Device, Channel: r.Message.Channel, Type: v.Type, Title: v.Title,
		Codes: v.Codes, Taken: v.Taken, Arrived: r.Message.Arrived, Data: v.Data, Quality: v.Quality &^ inner,
		Partition: t.frame.Partition, Position: t.position(item),
	}}
	first, err := t.db.eventByID(ctx, e.ID)
	switch {
	case err != nil:
		return err
	case first != nil && sameEvent(first, e):
		t.counts.repeats++
		return nil
	case first != nil:
		return t.contradicts(ctx, first, e)
	}
	t.counts.events++
	t.sh.bytes += t.db.events.put(t.slot(), e)
	return nil
}

// contradicts keeps an event beside another of the same identity that says
// something else. Both say so.
func (t *taking) contradicts(ctx context.Context, first, e *keptEvent) error {
	e.ID = hashID(e.ID, e.Title, string(e.Data))
	second, err := t.db.eventByID(ctx, e.ID)
	if err != nil {
		return err
	}
	if second != nil {
		t.counts.repeats++
		return nil
	}
	t.counts.conflicts++
	t.counts.events++
	e.Quality |= vigil.Conflict
	t.sh.bytes += t.db.events.put(t.slot(), e)
	if !first.Quality.Has(vigil.Conflict) {
		flagged := *first
		flagged.Quality |= vigil.Conflict
		t.sh.bytes += t.db.events.put(t.slot(), &flagged)
	}
	return nil
}

// sameEvent tells whether two events say the same.
func sameEvent(a, b *keptEvent) bool { return a.Title == b.Title && bytes.Equal(a.Data, b.Data) }

// put lists an event for writing and returns how many bytes it takes.
func (l *eventLog) put(slot int, e *keptEvent) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list[slot].put(e.ID, e)
	return 256 + len(e.Data)
}

// eventByID returns an event, nil when there is none.
func (db *DB) eventByID(ctx context.Context, id string) (*keptEvent, error) {
	if e := db.events.get(id); e != nil {
		return e, nil
	}
	list, err := db.eventRows(ctx, `WHERE id = $1`, id)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// eventRows reads events from the database.
func (db *DB) eventRows(ctx context.Context, where string, args ...any) ([]*keptEvent, error) {
	var out []*keptEvent
	err := db.d.each(ctx, func(rows scanner) error {
		e := &keptEvent{}
		var subject string
		var quality, position int64
		var sealed []byte
		if err := rows.Scan(&e.ID, &subject, &e.Device, &e.Type, &e.Taken, &e.Partition, &position, &quality,
			&e.attribution, &sealed); err != nil {
			return fault("read event", err)
		}
		e.Quality, e.Position = vigil.Quality(quality), uint64(position) // #nosec G115 -- written from these types
		var err error
		if e.Subject, err = vigil.ParseSubject(subject); err != nil {
			return damaged("event", err)
		}
		plain, err := db.c.Sealer.Open(nil, sealed)
		if err != nil {
			return damaged("event", err)
		}
		if len(plain) == 0 || plain[0] != eventV1 {
			return damaged("event", errors.New("unknown version"))
		}
		var b eventBody
		if err := json.Unmarshal(plain[1:], &b); err != nil {
			return damaged("event", err)
		}
		e.Channel, e.Title, e.Codes, e.Arrived, e.stated, e.Data = b.Channel, b.Title, b.Codes, b.Arrived, b.Stated, b.Data
		out = append(out, e)
		return nil
	}, `SELECT id, subject, device, type, taken, part, position, quality, attribution, data FROM events `+where, args...)
	return out, err
}

// writeEvents writes events, new ones and changed ones.
func (db *DB) writeEvents(ctx context.Context, tx *sql.Tx, list []*keptEvent) error {
	in := db.d.insert(tx, "events", "id, subject, device, type, taken, part, position, quality, attribution, data",
		"ON CONFLICT (id) DO UPDATE SET quality = events.quality | excluded.quality")
	for _, e := range list {
		body, err := json.Marshal(eventBody{e.Channel, e.Title, e.Codes, e.Arrived, e.stated, e.Data})
		if err != nil {
			return fmt.Errorf("write event: %w", err)
		}
		err = in.row(ctx, e.ID, e.Subject.String(), string(e.Device), e.Type, int64(e.Taken), e.Partition, int64(e.Position), // #nosec G115 -- read back as it was
			int64(e.Quality), int(e.attribution), db.c.Sealer.Seal(nil, e.Subject.String(), append([]byte{eventV1}, body...)))
		if err != nil {
			return err
		}
	}
	return in.end(ctx)
}

// A filter is the WHERE of a query in the making.
type filter struct {
	conds []string
	args  []any
}

// add adds a condition with one placeholder, written as ?.
func (f *filter) add(cond string, arg any) {
	f.args = append(f.args, arg)
	f.conds = append(f.conds, strings.Replace(cond, "?", "$"+strconv.Itoa(len(f.args)), 1))
}

// in adds a condition that a column has one of some values; none is any.
func in[T ~string](f *filter, column string, values []T) {
	if len(values) == 0 {
		return
	}
	var b strings.Builder
	for i, v := range values {
		f.args = append(f.args, string(v))
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("$" + strconv.Itoa(len(f.args)))
	}
	f.conds = append(f.conds, column+" IN ("+b.String()+")")
}

func (f *filter) where() string {
	if len(f.conds) == 0 {
		return ""
	}
	return "WHERE " + strings.Join(f.conds, " AND ")
}

// Events returns the standing events that a query selects, by time.
func (db *DB) Events(ctx context.Context, q vigil.EventQuery) ([]vigil.StoredEvent, error) {
	during := bounds(q.During)
	match := func(e *keptEvent) bool {
		return e.Taken >= during.From && e.Taken < during.To && !e.Quality.Has(vigil.EnteredInError) &&
			(len(q.Subjects) == 0 || slices.Contains(q.Subjects, e.Subject)) &&
			(len(q.Devices) == 0 || slices.Contains(q.Devices, e.Device)) &&
			(len(q.Types) == 0 || slices.Contains(q.Types, e.Type))
	}
	subjects := make([]string, len(q.Subjects))
	for i, s := range q.Subjects {
		subjects[i] = s.String()
	}
	var f filter
	in(&f, "subject", subjects)
	in(&f, "device", q.Devices)
	in(&f, "type", q.Types)
	f.add("taken >= ?", int64(during.From))
	f.add("taken < ?", int64(during.To))
	f.add("(quality & ?) = 0", int64(vigil.EnteredInError))
	order := " ORDER BY taken, id"
	if q.Desc {
		order = " ORDER BY taken DESC, id DESC"
	}
	return db.mergeEvents(ctx, match, &f, order, q.Limit, func(a, b *keptEvent) int {
		c := cmp.Or(cmp.Compare(a.Taken, b.Taken), cmp.Compare(a.ID, b.ID))
		if q.Desc {
			return -c
		}
		return c
	})
}

// mergeEvents returns the events of memory and database together.
func (db *DB) mergeEvents(ctx context.Context, match func(*keptEvent) bool, f *filter, order string, limit int, compare func(a, b *keptEvent) int) ([]vigil.StoredEvent, error) {
	mem := db.events.all()
	if limit > 0 && limit < math.MaxInt-len(mem) {
		order += " LIMIT " + strconv.Itoa(limit+len(mem))
	}
	list, err := db.eventRows(ctx, f.where()+order, f.args...)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(e *keptEvent) bool { return mem[e.ID] != nil })
	for _, e := range mem {
		if match(e) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, compare)
	if limit > 0 && len(list) > limit {
		list = list[:limit]
	}
	out := make([]vigil.StoredEvent, len(list))
	for i, e := range list {
		out[i] = e.StoredEvent
	}
	return out, nil
}

// EventsAfter returns the standing events of a partition behind a position of
// the journal, in the order in which they entered it. Events of one position
// come together, if need be beyond the limit.
func (db *DB) EventsAfter(ctx context.Context, partition int, position uint64, limit int) ([]vigil.StoredEvent, error) {
	out, err := db.eventsBetween(ctx, partition, position, math.MaxInt64, limit)
	if err != nil || limit <= 0 || len(out) < limit {
		return out, err
	}
	last := out[len(out)-1].Position
	out = slices.DeleteFunc(out, func(e vigil.StoredEvent) bool { return e.Position == last })
	rest, err := db.eventsBetween(ctx, partition, last-1, last, 0)
	return append(out, rest...), err
}

// eventsBetween returns the standing events of a partition with positions above
// one and up to another.
func (db *DB) eventsBetween(ctx context.Context, partition int, above, upTo uint64, limit int) ([]vigil.StoredEvent, error) {
	var f filter
	f.add("part = ?", partition)
	f.add("position > ?", int64(min(above, math.MaxInt64))) // #nosec G115 -- bounded
	f.add("position <= ?", int64(min(upTo, math.MaxInt64))) // #nosec G115 -- bounded
	f.add("(quality & ?) = 0", int64(vigil.EnteredInError))
	match := func(e *keptEvent) bool {
		return e.Partition == partition && e.Position > above && e.Position <= upTo && !e.Quality.Has(vigil.EnteredInError)
	}
	return db.mergeEvents(ctx, match, &f, " ORDER BY position, id", limit, func(a, b *keptEvent) int {
		return cmp.Or(cmp.Compare(a.Position, b.Position), cmp.Compare(a.ID, b.ID))
	})
}
