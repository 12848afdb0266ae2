package store

import (
	"context"
	"database/sql"
	"slices"
	"time"

	"github.com/vigil-iomt/vigil"
)

// Retention says how long things are kept; 0 is for ever.
type Retention struct {
	Points     time.Duration // by the time they were taken
	Waves      time.Duration
	Events     time.Duration
	Quarantine time.Duration // entries that are closed or replayed, since then
}

// messageMemory is how long message ids and the answers to requests are kept.
const messageMemory = 30 * 24 * time.Hour

// Prune deletes what is over its time: whole chunks whose last point is, events,
// closed quarantine entries, and message ids after 30 days. Series keep their
// ids, open quarantine entries stay. Of the stores that share a database the one
// that holds partition 0 deletes.
func (db *DB) Prune(ctx context.Context, policy Retention, now time.Time) error {
	db.checkpointing.Lock()
	defer db.checkpointing.Unlock()
	if db.Holds(0) {
		if err := db.pruneDatabase(ctx, policy, now); err != nil {
			return err
		}
	}
	db.pruneMemory(policy, now)
	return nil
}

// longAgo returns what lies a time before now.
func longAgo(now time.Time, d time.Duration) int64 { return int64(vigil.InstantOf(now.Add(-d))) }

// pruneDatabase deletes rows.
func (db *DB) pruneDatabase(ctx context.Context, policy Retention, now time.Time) error {
	before := func(d time.Duration) int64 { return longAgo(now, d) }
	deletions := []struct {
		keep time.Duration
		text string
	}{
		{policy.Events, `DELETE FROM events WHERE taken < $1`},
		{policy.Quarantine, `DELETE FROM quarantine WHERE state <> 'open' AND closed < $1`},
		{messageMemory, `DELETE FROM seen WHERE arrived < $1`},
		{messageMemory, `DELETE FROM answers WHERE at < $1`},
	}
	for _, d := range deletions {
		if d.keep <= 0 {
			continue
		}
		err := db.d.in(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, d.text, before(d.keep)); err != nil {
				return fault("delete what is over its time", err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, d := range []struct {
		keep  time.Duration
		table string
	}{{policy.Points, "chunks"}, {policy.Waves, "waves"}} {
		if d.keep > 0 {
			if err := db.pruneChunks(ctx, d.table, before(d.keep)); err != nil {
				return err
			}
		}
	}
	return nil
}

// pruneMemory forgets the heads of series that have nothing newer. What other
// processes hold is built anew after they wrote it.
func (db *DB) pruneMemory(policy Retention, now time.Time) {
	db.lockAll()
	defer db.unlockAll()
	for _, s := range db.dict.all(func(*series) bool { return true }) {
		keep := policy.Points
		if s.wave {
			keep = policy.Waves
		}
		if keep <= 0 || !s.home.Load().held {
			continue
		}
		s.home.Load().forget(s)
		if s.tmax != 0 && s.tmax < vigil.Instant(longAgo(now, keep)) && len(s.pending) == 0 {
			s.open, s.late, s.loaded, s.tmax = head{}, head{}, true, 0
			s.latest, s.hasLatest, s.stale = vigil.Point{}, false, false
			s.home.Load().mark(s, s.touched)
		}
	}
}

// pruneAtOnce is of how many series one transaction deletes chunks.
const pruneAtOnce = 256

// pruneChunks deletes the chunks of a table that end before a time. It looks
// through the index and touches the rows of those series only that have some.
func (db *DB) pruneChunks(ctx context.Context, table string, before int64) error {
	var ids []int64
	err := db.d.each(ctx, func(rows scanner) error {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return fault("read chunk", err)
		}
		ids = append(ids, id)
		return nil
	}, `SELECT DISTINCT series FROM `+table+` WHERE t1 < $1`, before)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(ids, pruneAtOnce) {
		err := db.d.in(ctx, func(tx *sql.Tx) error {
			for _, id := range some {
				_, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE series = $1 AND t0 < $2 AND t1 < $3`, id, before, before)
				if err != nil {
					return fault("delete what is over its time", err)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
