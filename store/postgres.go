package store

import (
	"context"
	"database/sql"
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

// writers is the class of the database's advisory locks that transactions share
// while they write.
const writers = 0x7677

// present says that a transaction of this process is under way.
func (d *database) present(ctx context.Context, tx *sql.Tx) error {
	if !d.many {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock_shared($1, hashtext(current_schema()))`, writers); err != nil {
		return fault("begin transaction", err)
	}
	return nil
}

// settled returns when no transaction is under way any more. A process that was
// killed leaves its last COMMIT to PostgreSQL, which may carry it out after the
// next process has begun: what that one reads before is not what the database
// will hold.
func (d *database) settled(ctx context.Context) error {
	if !d.many {
		return nil
	}
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return fault("begin transaction", err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1, hashtext(current_schema()))`, writers); err != nil {
		return fault("wait for the last transaction", err)
	}
	return nil
}
