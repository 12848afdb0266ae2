package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/vigil-iomt/vigil"
)

// Take makes the store the one that writes a partition, under the epoch of its
// lease: whoever held it with a lower one can write no more of it. A partition
// that somebody took with a higher one is vigil.Conflicting.
func (db *DB) Take(ctx context.Context, partition int, epoch uint64) error {
	if !db.c.Shared || partition < 0 || partition >= len(db.shards) || epoch == 0 {
		return vigil.Errorf(vigil.Invalid, "partition %d cannot be taken with epoch %d", partition, epoch)
	}
	sh := db.shards[partition]
	if err := sh.enter(ctx); err != nil {
		return err
	}
	defer sh.leave()
	db.checkpointing.Lock()
	defer db.checkpointing.Unlock()
	if err := db.raise(ctx, partition, epoch); err != nil {
		return err
	}
	sh.mu.Lock()
	sh.lease = epoch
	sh.mu.Unlock()
	err := db.renew(ctx, sh)
	if err != nil && !db.Holds(partition) {
		sh.mu.Lock()
		sh.lease = 0
		sh.mu.Unlock()
	}
	return err
}

// raise notes the epoch of a lease, from which on no other is good.
func (db *DB) raise(ctx context.Context, partition int, epoch uint64) error {
	return db.d.in(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO positions (part, seq, items, epoch) VALUES ($1, 0, 0, $2)
			ON CONFLICT (part) DO UPDATE SET epoch = excluded.epoch WHERE positions.epoch <= excluded.epoch`,
			partition, int64(epoch)) // #nosec G115 -- a count
		if err != nil {
			return fault("note lease", err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return vigil.Errorf(vigil.Conflicting, "partition %d was taken by another process", partition)
		}
		return nil
	})
}

// outside is the number, among those of partitions, under which is counted what
// was written for no partition.
const outside = -1

// tellOthers lets the other processes know that something was written that
// belongs to no partition.
func tellOthers(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO positions (part, seq, items, cut) VALUES ($1, 0, 0, 1)
		ON CONFLICT (part) DO UPDATE SET cut = positions.cut + 1`, outside)
	if err != nil {
		return fault("tell other processes", err)
	}
	return nil
}

// Drop writes a partition a last time and leaves it to others. It is followed
// from then on, also when writing fails.
func (db *DB) Drop(ctx context.Context, partition int) error {
	if !db.c.Shared || partition < 0 || partition >= len(db.shards) {
		return vigil.Errorf(vigil.Invalid, "partition %d cannot be dropped", partition)
	}
	if !db.Holds(partition) {
		db.forgo(partition)
		return nil
	}
	err := db.Checkpoint(ctx)
	db.forgo(partition)
	return err
}

// Holds tells whether the store writes a partition. A store that is alone writes
// them all.
func (db *DB) Holds(partition int) bool {
	sh := db.shards[partition]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	return sh.held
}

// forgo ends a lease. No checkpoint is on its way when it returns.
func (db *DB) forgo(partition int) {
	db.checkpointing.Lock()
	defer db.checkpointing.Unlock()
	sh := db.shards[partition]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.held, sh.lease = false, 0
}

// lose makes a partition one that is followed, because the database refused its
// lease. When nobody else has it, what was refused was a second try of something
// that had succeeded: building on the database anew mends it.
func (db *DB) lose(partition int) {
	sh := db.shards[partition]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.held = false
	db.c.Log.Warn("another process may have taken a partition; following it", "partition", partition, "epoch", sh.lease)
}

// lostLease says that the lease of a partition was not good any more.
type lostLease struct{ part int }

func (e *lostLease) Error() string {
	return fmt.Sprintf("the lease of partition %d is lost", e.part)
}

// fence writes the positions of a cut, and fails when any of its leases is not
// good any more: then nothing of the cut may be written.
func (db *DB) fence(ctx context.Context, tx *sql.Tx, c *cut) error {
	s, err := tx.PrepareContext(ctx, `UPDATE positions SET seq = $1, items = $2, cut = cut + 1, at = $3
		WHERE part = $4 AND epoch = $5 AND cut = $6`)
	if err != nil {
		return fault("prepare positions", err)
	}
	defer func() { _ = s.Close() }()
	for _, p := range c.positions {
		if p.idle {
			continue
		}
		res, err := s.ExecContext(ctx, int64(p.seq), int64(p.items), int64(c.at), p.part, int64(p.lease), p.cut) // #nosec G115 -- read back as it was
		if err != nil {
			return fault("write position", err)
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(&lostLease{p.part}, err)
		}
	}
	return nil
}

// fenceJoin is fence for chunks of a partition that are joined.
func (db *DB) fenceJoin(ctx context.Context, tx *sql.Tx, sh *shard) error {
	if !db.c.Shared {
		return nil
	}
	sh.mu.RLock()
	lease, cut, held := sh.lease, sh.base.cut, sh.held
	sh.mu.RUnlock()
	if !held {
		return &lostLease{sh.no}
	}
	res, err := tx.ExecContext(ctx, `UPDATE positions SET cut = cut + 1 WHERE part = $1 AND cut = $2 AND epoch = $3`,
		sh.no, cut, int64(lease)) // #nosec G115 -- a count
	if err != nil {
		return fault("write position", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return errors.Join(&lostLease{sh.no}, err)
	}
	return nil
}
