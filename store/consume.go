package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/vigil-iomt/vigil"
)

// How many encoded bytes a shard holds before a checkpoint is asked for, and
// before Consume makes one itself and so holds the journal back.
const (
	softBytes = 16 << 20
	hardBytes = 64 << 20
)

// placeBits is how many low bits of a position count within a frame.
const placeBits = 20

// Consume takes one frame in. A frame that was taken in before is ignored, one
// that leaves a gap is an error. While the database does not answer it waits,
// which holds the journal back. When it fails or panics, the frame may be given
// again: what was done stays done and is not done twice.
func (db *DB) Consume(ctx context.Context, f vigil.Frame) error {
	sh := db.shards[f.Partition]
	bytes, err := db.consume(ctx, sh, &f)
	if err != nil || bytes <= softBytes {
		return err
	}
	return db.bound(ctx, sh, bytes)
}

// consume takes one frame in when it is the partition's turn, and returns how
// much memory waits for a checkpoint.
func (db *DB) consume(ctx context.Context, sh *shard, f *vigil.Frame) (int, error) {
	if err := sh.enter(ctx); err != nil {
		return 0, err
	}
	defer sh.leave()
	switch at := sh.applied.Load(); {
	case f.Seq <= at:
		return 0, nil
	case f.Seq != at+1:
		return 0, vigil.Errorf(vigil.Invalid, "frame %d of partition %d came after frame %d", f.Seq, f.Partition, at)
	}
	err := db.insist(ctx, func() error {
		t := taking{db: db, sh: sh, frame: f}
		err := t.frameAll(ctx)
		db.counts.add(&t.counts)
		return err
	})
	if err != nil {
		return 0, err
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.seq, sh.items = f.Seq, 0
	sh.applied.Store(f.Seq)
	return sh.bytes, nil
}

// bound sees to it that memory does not grow for ever: it asks for a checkpoint,
// and when there is too much of it waits for one, be it another process's.
func (db *DB) bound(ctx context.Context, sh *shard, bytes int) error {
	for !db.Holds(sh.no) {
		if bytes <= hardBytes {
			return nil
		}
		select {
		case <-sh.moved:
		case <-ctx.Done():
			return fmt.Errorf("wait for the holder of partition %d: %w", sh.no, ctx.Err())
		}
		sh.mu.RLock()
		bytes = sh.bytes
		sh.mu.RUnlock()
	}
	if bytes > hardBytes {
		return db.insist(ctx, func() error { return db.Checkpoint(ctx) })
	}
	select {
	case db.wake <- struct{}{}:
	default:
	}
	return nil
}

// insist does f until it succeeds, fails for another reason than a database that
// does not answer, or ctx is done.
func (db *DB) insist(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil || vigil.KindOf(err) != vigil.Unavailable || ctx.Err() != nil {
			return err
		}
		db.lastErr.Store(&err)
		db.c.Log.Error("the database does not answer; trying again", "error", errors.Unwrap(err))
		again := time.NewTimer(time.Second)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return fmt.Errorf("wait for the database: %w", ctx.Err())
		}
	}
}

// A taking is one frame on its way in.
type taking struct {
	db     *DB
	sh     *shard
	frame  *vigil.Frame
	counts tally
	epoch  uint32
	alone  bool // the caller holds every lock
}

// slot returns the slot of what the frame says.
func (t *taking) slot() int { return t.db.slotOf(t.frame.Partition) }

// lockAll locks every shard, unless the caller did.
func (t *taking) lockAll() (unlock func()) {
	unlock = func() {}
	if !t.alone {
		t.db.lockAll()
		unlock = t.db.unlockAll
	}
	t.epoch = t.db.epoch
	return unlock
}

// frameAll takes every record in that was not before.
func (t *taking) frameAll(ctx context.Context) error {
	at := uint64(0)
	for i := range t.frame.Records {
		r := &t.frame.Records[i]
		n := uint64(1 + len(r.Readings) + len(r.Waves) + len(r.Events))
		if err := t.record(ctx, r, at, n); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// record takes one record in, whose first item has the number at.
func (t *taking) record(ctx context.Context, r *vigil.Record, at, n uint64) error {
	if r.Kind == vigil.Reattributed && r.Change != nil {
		return t.reattributed(ctx, r, at)
	}
	for {
		err := t.locked(ctx, r, at, n)
		astray, ok := errors.AsType[*elsewhere](err)
		if !ok {
			if err == nil {
				err = t.followMoves(ctx, r, at)
			}
			return err
		}
		t.rehome(astray.s)
	}
}

// elsewhere says that a series is at home in another shard.
type elsewhere struct{ s *series }

func (*elsewhere) Error() string { return "the series is at home in another partition" }

// rehome moves a series to another shard: the journal puts its subject into
// another partition than it did.
func (t *taking) rehome(s *series) {
	defer t.lockAll()()
	to, from := t.sh, s.home.Load()
	if from == to {
		return
	}
	from.forget(s)
	from.drop(s)
	s.home.Store(to)
	s.known = false
	if s.loaded {
		to.loaded = append(to.loaded, s)
	}
	s.dirty = false
	to.mark(s, t.epoch)
}

// locked takes the items of a record in that were not before.
func (t *taking) locked(ctx context.Context, r *vigil.Record, at, n uint64) error {
	sh := t.sh
	if !t.alone {
		sh.mu.Lock()
		defer sh.mu.Unlock()
	}
	t.epoch = t.db.epoch
	if at+n <= sh.items {
		return nil
	}
	switch r.Kind {
	case vigil.Understood:
		if err := t.understood(ctx, r, at); err != nil {
			return err
		}
	case vigil.Quarantined:
		if err := t.refused(ctx, r); err != nil {
			return err
		}
	case vigil.Reattributed:
	}
	sh.items = at + n
	return nil
}

// understood takes the readings, waves and events of a record in. It notes how
// far it is before each, so that nothing is taken in twice after a panic.
func (t *taking) understood(ctx context.Context, r *vigil.Record, at uint64) error {
	if r.Message.Replay != "" {
		if err := t.replayed(ctx, r); err != nil {
			return err
		}
	}
	again, err := t.seenBefore(ctx, r, at)
	if err != nil {
		return err
	}
	key := sourceKey{r.Subject, r.Message.Device, r.Message.Channel}
	src := t.sh.sources[key]
	if src == nil {
		src = &source{}
		t.sh.sources[key] = src
	}
	i := at
	for k := range r.Readings {
		if i++; i < t.sh.items {
			continue
		}
		t.sh.items = i
		if err := t.reading(ctx, src, &key, r, &r.Readings[k], i, again); err != nil {
			return err
		}
	}
	for k := range r.Waves {
		if i++; i < t.sh.items {
			continue
		}
		t.sh.items = i
		if err := t.wave(ctx, src, &key, r, &r.Waves[k], i, again); err != nil {
			return err
		}
	}
	for k := range r.Events {
		if i++; i < t.sh.items {
			continue
		}
		t.sh.items = i
		if err := t.event(ctx, r, &r.Events[k], i, k, again); err != nil {
			return err
		}
	}
	return nil
}

// position is where in the journal an item of the frame is.
func (t *taking) position(item uint64) uint64 { return t.frame.Seq<<placeBits | item }

// seriesOf returns the series of a metric, made when it is the first of its
// kind, with its heads in memory.
func (t *taking) seriesOf(ctx context.Context, src *source, key *sourceKey, m *vigil.Metric) (*series, error) {
	s := src.get(m)
	if s == nil {
		var id vigil.SeriesID
		if s, id = t.db.dict.find(key.subject, key.device, key.channel, m); s == nil {
			s = t.db.create(t.sh, id, key.subject, key.device, key.channel, m)
			t.sh.mark(s, t.epoch)
		}
		if s.home.Load() != t.sh {
			return nil, &elsewhere{s}
		}
		s.describe(m)
		src.put(m, s)
	}
	if s.loaded {
		return s, nil
	}
	return s, t.db.load(ctx, s)
}

// reading takes one reading in.
func (t *taking) reading(ctx context.Context, src *source, key *sourceKey, r *vigil.Record, v *vigil.Reading, item uint64, again bool) error {
	switch {
	case v.Quality.Has(vigil.StoredElsewhere):
		t.counts.elsewhere++
		return nil
	case again && v.KeyKind == vigil.KeyMessage:
		t.counts.repeats++
		return nil
	case v.Metric == nil || v.Metric.IsWave():
		t.counts.refused++
		return nil
	}
	s, err := t.seriesOf(ctx, src, key, v.Metric)
	if err != nil {
		return err
	}
	p := vigil.Point{
		Taken: v.Taken, Arrived: r.Message.Arrived, Stated: v.Stated, Value: v.Value, Key: v.Key,
		Quality: v.Quality &^ superseded, Version: 1, Attribution: r.Attribution, Decimals: v.Decimals, KeyKind: v.KeyKind,
	}
	if !ownKey(p.KeyKind) {
		p.Key = t.position(item)
	}
	return t.point(ctx, s, p, v.Correction)
}

// point takes a point in that may have been here before.
func (t *taking) point(ctx context.Context, s *series, p vigil.Point, correction bool) error {
	if ownKey(p.KeyKind) && p.Key <= s.kmax {
		known, err := t.db.known(ctx, t.sh, s, p.KeyKind, p.Key)
		if err != nil {
			return err
		}
		if len(known) > 0 {
			return t.again(ctx, s, p, known, correction)
		}
	}
	t.counts.accepted++
	if p.Taken < s.tmax {
		t.counts.late++
	}
	return t.sh.put(s, p, t.epoch)
}

// again takes a point in whose key is known.
func (t *taking) again(ctx context.Context, s *series, p vigil.Point, known []vigil.Point, correction bool) error {
	v := judge(&p, known, correction)
	switch {
	case v.repeat:
		t.counts.repeats++
		return nil
	case v.conflict:
		t.counts.conflicts++
	case correction:
		t.counts.corrections++
	}
	t.counts.accepted++
	for _, patch := range v.patches {
		if err := t.sh.put(s, patch, t.epoch); err != nil {
			return err
		}
	}
	return t.sh.put(s, p, t.epoch)
}

// A messageHash stands for a message id of a device about one subject.
type messageHash [16]byte

// seenAt says where the first message with an id came.
type seenAt struct {
	position uint64
	arrived  vigil.Instant
}

// seenBefore tells whether the record repeats a message whose readings have no
// identity but its id, and notes it when it does not. The subject is part of
// what is noted: a message about several of them is several records.
func (t *taking) seenBefore(ctx context.Context, r *vigil.Record, at uint64) (bool, error) {
	if r.Message.ID == "" || !keyedByMessage(r) {
		return false, nil
	}
	h := hashMessage(r)
	position := t.position(at)
	for _, known := range []map[messageHash]seenAt{t.sh.seen, t.sh.writing} {
		if at, ok := known[h]; ok {
			return at.position != position, nil
		}
	}
	first, err := t.db.storedSeen(ctx, h)
	if err != nil {
		return false, err
	}
	if first == 0 {
		t.sh.seen[h] = seenAt{position, r.Message.Arrived}
	}
	return first != 0 && first != position, nil
}

// keyedByMessage tells whether anything in the record is known by its message.
func keyedByMessage(r *vigil.Record) bool {
	for i := range r.Readings {
		if r.Readings[i].KeyKind == vigil.KeyMessage {
			return true
		}
	}
	for i := range r.Waves {
		if r.Waves[i].KeyKind == vigil.KeyMessage {
			return true
		}
	}
	for i := range r.Events {
		if r.Events[i].KeyKind == vigil.KeyMessage {
			return true
		}
	}
	return false
}

// hashMessage makes the hash of a record's message id.
func hashMessage(r *vigil.Record) messageHash {
	var b []byte
	for _, part := range []string{string(r.Message.Device), r.Message.Channel, r.Message.ID, r.Subject.String()} {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	sum := sha256.Sum256(b)
	return messageHash(sum[:16])
}

// storedSeen returns the position of the first message with an id, 0 when the
// database knows none.
func (db *DB) storedSeen(ctx context.Context, h messageHash) (uint64, error) {
	var position int64
	err := db.d.each(ctx, func(rows scanner) error {
		if err := rows.Scan(&position); err != nil {
			return fault("read message id", err)
		}
		return nil
	}, `SELECT position FROM seen WHERE hash = $1`, h[:])
	return uint64(position), err // #nosec G115 -- written from this type
}

// drop takes a series off the shard's lists and out of its sources.
func (sh *shard) drop(s *series) {
	for _, list := range []*[]*series{&sh.dirty, &sh.loaded} {
		kept := (*list)[:0:0]
		for _, other := range *list {
			if other != s {
				kept = append(kept, other)
			}
		}
		*list = kept
	}
	delete(sh.sources, sourceKey{s.subject, s.device, s.channel})
}
