package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// openPostgres opens a PostgreSQL database by its DSN. Reading and writing
// share one pool.
func openPostgres(ctx context.Context, dsn string) (*database, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read database address: %w", err)
	}
	pool := stdlib.OpenDB(*c)
	pool.SetMaxOpenConns(12)
	pool.SetMaxIdleConns(12)
	d := &database{write: pool, read: pool, name: "postgres " + c.Host + "/" + c.Database, rows: postgresRows, copies: true, many: true}
	if err := d.write.PingContext(ctx); err != nil {
		return nil, d.fail(fmt.Errorf("open database: %w", err))
	}
	return d, nil
}
