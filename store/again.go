package store

import (
	"cmp"
	"context"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// carryAgain carries a reattribution that was carried before, of which the
// database may have a part only: what the old subject's series say was taken
// from them has to be with the new one. The caller holds every lock.
func (db *DB) carryAgain(ctx context.Context, sh *shard, m move) error {
	t := taking{db: db, sh: sh, frame: &vigil.Frame{Partition: sh.no}, alone: true, epoch: db.epoch}
	if m.part >= 0 && m.part < len(db.shards) {
		t.sh, t.frame = db.shards[m.part], &vigil.Frame{Partition: m.part, Seq: m.position >> placeBits}
	}
	moves := db.moves.of(m.device)
	if err := t.carry(ctx, m, moves, m.position&(1<<placeBits-1)); err != nil {
		return err
	}
	var points []taken[vigil.Point]
	var blocks []taken[vigil.Wave]
	for _, s := range db.origins(m) {
		v, err := db.lookLocked(ctx, s)
		if err != nil {
			return err
		}
		if s.wave {
			err = t.takenWaves(ctx, v, m, moves, &blocks)
		} else {
			err = t.takenPoints(ctx, v, m, moves, &points)
		}
		if err != nil {
			return err
		}
	}
	return cmp.Or(t.givePoints(ctx, m, points), t.giveWaves(ctx, m, blocks))
}

// taken is something that a reattribution took from a series.
type taken[T any] struct {
	s *series
	v T
}

// takenPoints lists the points of a series that a move withdrew, as they were.
func (t *taking) takenPoints(ctx context.Context, v *look, m move, moves []move, out *[]taken[vigil.Point]) error {
	return t.db.scan(ctx, v, bounds(m.during), false, func(pts []vigil.Point) bool {
		for _, p := range pts {
			if g, ok := governs(moves, p.Taken, p.Arrived); p.Quality.Has(vigil.EnteredInError) && ok && g.id == m.id {
				p.Version--
				p.Quality &^= vigil.EnteredInError | superseded
				*out = append(*out, taken[vigil.Point]{v.s, p})
			}
		}
		return true
	})
}

// givePoints gives points to the new subject's series that does not have them.
// What went from subject to subject goes on from the last.
func (t *taking) givePoints(ctx context.Context, m move, list []taken[vigil.Point]) error {
	slices.SortStableFunc(list, func(a, b taken[vigil.Point]) int { return cmp.Compare(b.v.Attribution, a.v.Attribution) })
	type said struct {
		kind  vigil.KeyKind
		key   uint64
		value float64
	}
	have := map[*series]map[said]bool{}
	for i := range list {
		p := list[i].v
		to, err := t.target(ctx, list[i].s, m)
		if err != nil {
			return err
		}
		if have[to] == nil {
			known := map[said]bool{}
			v, err := t.db.lookLocked(ctx, to)
			if err != nil {
				return err
			}
			err = t.db.scan(ctx, v, bounds(m.during), false, func(pts []vigil.Point) bool {
				for i := range pts {
					if q := &pts[i]; stands(q) {
						known[said{q.KeyKind, q.Key, q.Value}] = true
					}
				}
				return true
			})
			if err != nil {
				return err
			}
			have[to] = known
		}
		if have[to][said{p.KeyKind, p.Key, p.Value}] {
			continue
		}
		if err := t.carryPoint(ctx, list[i].s, to, p, false); err != nil {
			return err
		}
	}
	return nil
}

// takenWaves lists the blocks of a series that a move withdrew.
func (t *taking) takenWaves(ctx context.Context, v *look, m move, moves []move, out *[]taken[vigil.Wave]) error {
	blocks, err := t.db.waves(ctx, v, bounds(m.during), 0, func(w *vigil.Wave) bool {
		g, ok := governs(moves, w.Start, min(w.Start, m.at))
		return w.Quality.Has(vigil.EnteredInError) && ok && g.id == m.id && w.Start <= m.at
	})
	for _, w := range blocks {
		*out = append(*out, taken[vigil.Wave]{v.s, w})
	}
	return err
}

// giveWaves gives blocks to the new subject's series that does not have them.
func (t *taking) giveWaves(ctx context.Context, m move, list []taken[vigil.Wave]) error {
	slices.SortStableFunc(list, func(a, b taken[vigil.Wave]) int {
		return cmp.Compare(attributionOf(&b.v), attributionOf(&a.v))
	})
	for i := range list {
		to, err := t.target(ctx, list[i].s, m)
		if err != nil {
			return err
		}
		if err := t.giveWave(ctx, to, list[i].v); err != nil {
			return err
		}
	}
	return nil
}
