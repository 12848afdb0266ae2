package store

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/chunk"
)

// How much work compaction does after one checkpoint, and at once.
const (
	jobsAtOnce  = 64
	maxJobs     = 1 << 14
	groupPoints = 8192
	groupBlocks = 1 << 18 // samples
)

// A job is a stretch of a series whose chunks overlap.
type job struct {
	s        *series
	from, to vigil.Instant
}

// crowd lists the series of a cut that got chunks which overlap others. The
// caller holds checkpointing.
func (db *DB) crowd(c *cut) {
	for i := range c.series {
		sc := &c.series[i]
		if !sc.crowded || len(sc.pending) == 0 || len(db.jobs) >= maxJobs {
			continue
		}
		j := job{sc.s, sc.pending[0].t0, sc.pending[0].t1}
		for _, b := range sc.pending {
			j.from, j.to = min(j.from, b.t0), max(j.to, b.t1)
		}
		db.jobs = append(db.jobs, j)
	}
}

// compact joins chunks that overlap, for some of the series that have them. The
// caller holds checkpointing.
func (db *DB) compact(ctx context.Context) error {
	n := min(len(db.jobs), jobsAtOnce)
	jobs := db.jobs[:n]
	db.jobs = slices.Clone(db.jobs[n:])
	var errs []error
	for _, j := range jobs {
		if !db.Holds(j.s.home.Load().no) {
			continue
		}
		errs = append(errs, db.compactSeries(ctx, j))
	}
	return errors.Join(errs...)
}

// stored is a chunk in the database and how much it holds.
type stored struct {
	ref
	n int
}

// compactSeries joins what overlaps in one stretch of a series.
func (db *DB) compactSeries(ctx context.Context, j job) error {
	s := j.s
	var span vigil.Instant
	s.reading(func() { span = s.tspan })
	var list []stored
	err := db.d.each(ctx, func(rows scanner) error {
		var r stored
		if err := rows.Scan(&r.t0, &r.t1, &r.no, &r.n); err != nil {
			return fault("read chunk", err)
		}
		list = append(list, r)
		return nil
	}, `SELECT t0, t1, no, n FROM `+s.chunkTable()+`
		WHERE series = $1 AND t0 >= $2 AND t0 <= $3 AND t1 >= $4 ORDER BY t0`,
		int64(s.id), int64(j.from-span), int64(j.to), int64(j.from))
	if err != nil {
		return err
	}
	for _, group := range groups(list, s.wave) {
		if err := db.join(ctx, s, group); err != nil {
			return err
		}
	}
	return nil
}

// groups finds the runs of chunks that overlap, or that are small and close.
func groups(list []stored, wave bool) [][]stored {
	full, most := chunkPoints, groupPoints
	if wave {
		full, most = waveSamples, groupBlocks
	}
	var out [][]stored
	var group []stored
	var until vigil.Instant
	n := 0
	for _, r := range list {
		overlaps := r.t0 < until
		small := n+r.n <= full && r.t0-until <= vigil.Instant(lateGap.Microseconds())
		if len(group) > 0 && (!overlaps && !small || n+r.n > most) {
			out = append(out, group)
			group, n = nil, 0
		}
		if len(group) == 0 {
			until = r.t1
		}
		group, n, until = append(group, r), n+r.n, max(until, r.t1)
	}
	out = append(out, group)
	return slices.DeleteFunc(out, func(g []stored) bool { return len(g) < 2 })
}

// join replaces chunks by as few as hold the same, in one transaction. Readers
// see the old ones or the new ones.
func (db *DB) join(ctx context.Context, s *series, group []stored) error {
	var datas [][]byte
	for _, r := range group {
		data, err := db.chunkData(ctx, s, r.ref)
		if err != nil {
			return err
		}
		datas = append(datas, data)
	}
	blocks, err := rebuild(s, datas)
	if err != nil {
		return err
	}
	var tspan vigil.Instant
	var kspan uint64
	var chunks int64
	home := s.home.Load()
	home.mu.Lock()
	for i := range blocks {
		blocks[i].no = s.chunks
		s.chunks++
		s.tspan, s.kspan = max(s.tspan, blocks[i].t1-blocks[i].t0), max(s.kspan, blocks[i].kmax-blocks[i].kmin)
	}
	tspan, kspan, chunks = s.tspan, s.kspan, s.chunks
	home.mu.Unlock()
	err = db.d.in(ctx, func(tx *sql.Tx) error {
		if err := db.fenceJoin(ctx, tx, home); err != nil {
			return err
		}
		for _, r := range group {
			_, err := tx.ExecContext(ctx, `DELETE FROM `+s.chunkTable()+` WHERE series = $1 AND t0 = $2 AND t1 = $3 AND no = $4`,
				int64(s.id), int64(r.t0), int64(r.t1), r.no)
			if err != nil {
				return fault("delete chunk", err)
			}
		}
		in := db.d.insert(tx, s.chunkTable(), "series, t0, t1, no, kmin, kmax, n, data", "")
		for _, b := range blocks {
			if err := in.row(ctx, db.chunkRow(s, b)...); err != nil {
				return err
			}
		}
		if err := in.end(ctx); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE heads SET tspan = $1, kspan = $2, chunks = $3 WHERE series = $4`,
			int64(tspan), keyColumn(kspan), chunks, int64(s.id))
		if err != nil {
			return fault("update head", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	db.counts.compacted.Add(uint64(len(group)))
	home.mu.Lock()
	home.forget(s)
	if db.c.Shared {
		home.base.cut++
	}
	home.mu.Unlock()
	return nil
}

// rebuild makes blocks of what several chunks hold.
func rebuild(s *series, datas [][]byte) ([]block, error) {
	var out []block
	if s.wave {
		var ws []vigil.Wave
		var err error
		for _, d := range datas {
			if ws, err = chunk.Waves(ws, d, s.metric.Load()); err != nil {
				return nil, damaged("wave", err)
			}
		}
		ws = tidyWaves(ws)
		for i, n, from := 0, 0, 0; i < len(ws); i++ {
			if n += len(ws[i].Samples); n >= waveSamples || i == len(ws)-1 || i-from >= waveRuns {
				out = append(out, encodeWaves(ws[from:i+1]))
				n, from = 0, i+1
			}
		}
		return out, nil
	}
	var pts []vigil.Point
	var err error
	for _, d := range datas {
		if pts, err = chunk.Points(pts, d); err != nil {
			return nil, damaged("chunk", err)
		}
	}
	pts = tidy(pts)
	parts := (len(pts) + chunkPoints - 1) / chunkPoints
	for i := range parts {
		out = append(out, encode(pts[i*len(pts)/parts:(i+1)*len(pts)/parts]))
	}
	return out, nil
}
