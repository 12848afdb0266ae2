package store

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

// BenchmarkWrite writes the rows of one checkpoint to PostgreSQL in one
// transaction, with INSERT and with COPY: sealed chunks, which are new, and open
// ends of series, most of which are there already.
func BenchmarkWrite(b *testing.B) {
	dsn := os.Getenv("VIGIL_TEST_POSTGRES")
	if dsn == "" {
		b.Skip("VIGIL_TEST_POSTGRES is not set: there is no PostgreSQL to try")
	}
	ctx := context.Background()
	d, err := openPostgres(ctx, dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = d.close() }()
	if err := migrate(ctx, d.write); err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 1100)
	for i := range data {
		data[i] = byte(rng.IntN(256)) // as little to be compressed as what is kept
	}
	var no int64
	for _, rows := range []int{16, 64, 128, 1000, 10_000} {
		for _, copies := range []bool{false, true} {
			name := map[bool]string{false: "insert", true: "copy"}[copies]
			run := func(what string, write func(*inserter, int) error, table, columns, tail string) {
				b.Run(fmt.Sprintf("%s/rows=%d/%s", what, rows, name), func(b *testing.B) {
					d.copies = copies
					for b.Loop() {
						err := d.in(ctx, func(tx *sql.Tx) error {
							in := d.insert(tx, table, columns, tail)
							for i := range rows {
								if err := write(in, i); err != nil {
									return err
								}
							}
							return in.end(ctx)
						})
						if err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(rows), "µs/row")
				})
			}
			run("chunks", func(in *inserter, i int) error {
				no++
				return in.row(ctx, int64(i), no, no+1, no, no, no, 1024, data)
			}, "chunks", "series, t0, t1, no, kmin, kmax, n, data", "")
			run("heads", func(in *inserter, i int) error {
				return in.row(ctx, int64(i), no, no, no, no, no, no, data[:30], data[:500])
			}, "heads", "series, kmax, kspan, tmax, tspan, sealed, chunks, latest, data",
				`ON CONFLICT (series) DO UPDATE SET kmax = excluded.kmax, kspan = excluded.kspan, tmax = excluded.tmax,
				tspan = excluded.tspan, sealed = excluded.sealed, chunks = excluded.chunks, latest = excluded.latest,
				data = excluded.data`)
		}
	}
}
