package store

import (
	"context"
	"database/sql"
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
// ids, open quarantine entries stay.
func (db *DB) Prune(ctx context.Context, policy Retention, now time.Time) error {
	db.checkpointing.Lock()
	defer db.checkpointing.Unlock()
	before := func(d time.Duration) int64 { return int64(vigil.InstantOf(now.Add(-d))) }
	deletions := []struct {
		keep time.Duration
		text string
	}{
		{policy.Points, `DELETE FROM chunks WHERE t1 < $1`},
		{policy.Waves, `DELETE FROM waves WHERE t1 < $1`},
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
	db.lockAll()
	defer db.unlockAll()
	for _, s := range db.dict.all(func(*series) bool { return true }) {
		keep := policy.Points
		if s.wave {
			keep = policy.Waves
		}
		if keep <= 0 {
			continue
		}
		s.home.Load().forget(s)
		if s.tmax != 0 && s.tmax < vigil.Instant(before(keep)) && len(s.pending) == 0 {
			s.open, s.late, s.loaded, s.tmax = head{}, head{}, true, 0
			s.latest, s.hasLatest, s.stale = vigil.Point{}, false, false
			s.home.Load().mark(s, s.touched)
		}
	}
	return nil
}
