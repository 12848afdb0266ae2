package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// idleLimit is how long a transaction may wait for this process. One that hangs
// in the middle of a transaction, as a frozen machine does, must not keep the
// others from what it has locked.
const idleLimit = 4 * time.Second

// openPostgres opens a PostgreSQL database by its DSN. Reading and writing
// share one pool.
func openPostgres(ctx context.Context, dsn string) (*database, error) {
	c, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read database address: %w", err)
	}
	c.RuntimeParams["idle_in_transaction_session_timeout"] = strconv.FormatInt(idleLimit.Milliseconds(), 10)
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

// tuned are settings of tables that only PostgreSQL has, each with the question
// whether it is set. Every checkpoint writes the open end of a series anew: with
// room in its page it stays there, and the index is not touched. What is
// compressed already is not to be compressed again.
var tuned = [...]struct{ have, set string }{
	{`SELECT coalesce('fillfactor=50' = ANY(reloptions), false) FROM pg_class WHERE oid = 'heads'::regclass`,
		`ALTER TABLE heads SET (fillfactor = 50)`},
	{`SELECT attstorage = 'e' FROM pg_attribute WHERE attrelid = 'heads'::regclass AND attname = 'data'`,
		`ALTER TABLE heads ALTER COLUMN data SET STORAGE EXTERNAL`},
	{`SELECT attstorage = 'e' FROM pg_attribute WHERE attrelid = 'chunks'::regclass AND attname = 'data'`,
		`ALTER TABLE chunks ALTER COLUMN data SET STORAGE EXTERNAL`},
	{`SELECT attstorage = 'e' FROM pg_attribute WHERE attrelid = 'waves'::regclass AND attname = 'data'`,
		`ALTER TABLE waves ALTER COLUMN data SET STORAGE EXTERNAL`},
}

// tunedRecord are the same for the record of resources. What SQLite calls
// INTEGER has to have room for all numbers there.
var tunedRecord = [...]struct{ have, set string }{
	{`SELECT atttypid = 'bigint'::regtype FROM pg_attribute WHERE attrelid = 'resources'::regclass AND attname = 'rid'`,
		`ALTER TABLE resources ALTER COLUMN rid TYPE BIGINT`},
	{`SELECT attstorage = 'e' FROM pg_attribute WHERE attrelid = 'resources'::regclass AND attname = 'body'`,
		`ALTER TABLE resources ALTER COLUMN body SET STORAGE EXTERNAL`},
	{`SELECT attstorage = 'e' FROM pg_attribute WHERE attrelid = 'resource_versions'::regclass AND attname = 'body'`,
		`ALTER TABLE resource_versions ALTER COLUMN body SET STORAGE EXTERNAL`},
}

// prepare takes the database to the present format and tunes its tables.
func (d *database) prepare(ctx context.Context) error {
	if err := migrate(ctx, d.write); err != nil || !d.many {
		return err
	}
	return d.tune(ctx, tuned[:])
}

// prepareRecord is prepare for the record of resources.
func (d *database) prepareRecord(ctx context.Context) error {
	if err := recordSteps.migrate(ctx, d.write); err != nil || !d.many {
		return err
	}
	return d.tune(ctx, tunedRecord[:])
}

// tune makes the settings that are not made yet.
func (d *database) tune(ctx context.Context, settings []struct{ have, set string }) error {
	for _, t := range settings {
		var have bool
		if err := d.write.QueryRowContext(ctx, t.have).Scan(&have); err != nil {
			return fault("read settings of tables", err)
		}
		if have {
			continue
		}
		if _, err := d.write.ExecContext(ctx, t.set); err != nil {
			return fault("tune tables", err)
		}
	}
	return nil
}
