package store

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil/internal/seal"
)

// TestOpeningWaitsForTheLastCommit leaves a transaction under way of a process
// that is gone: a store that opens the database waits until it has ended, and
// knows what it wrote.
//
// Seen to fail without settled in Open, and without present in database.in: the
// position is the one before.
func TestOpeningWaitsForTheLastCommit(t *testing.T) {
	dsn := os.Getenv("VIGIL_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("VIGIL_TEST_POSTGRES is not set: there is no PostgreSQL to try")
	}
	ctx := t.Context()
	dsn += "&search_path=last_commit"
	old, err := openPostgres(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	_, err = old.write.ExecContext(ctx, "CREATE SCHEMA last_commit")
	if err = errors.Join(err, migrate(ctx, old.write)); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_, err := old.write.ExecContext(context.WithoutCancel(ctx), "DROP SCHEMA last_commit CASCADE")
		if err = errors.Join(err, old.close()); err != nil {
			t.Error(err)
		}
	}()
	var db *DB
	opened := make(chan error, 1)
	err = old.in(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO positions (part, seq, items) VALUES (0, 7, 0)`); err != nil {
			return err
		}
		go func() {
			var err error
			db, err = Open(ctx, Config{
				DSN: dsn, Partitions: 1, Sealer: seal.Plain{}, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Checkpoint: -1,
			})
			opened <- err
		}()
		for waiting := 0; waiting == 0 && len(opened) == 0; {
			err := old.read.QueryRowContext(ctx, `SELECT count(*) FROM pg_locks
				WHERE locktype = 'advisory' AND classid = $1 AND NOT granted`, writers).Scan(&waiting)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err = errors.Join(err, <-opened); err != nil {
		t.Fatal(err)
	}
	if got := db.Position(0); got != 7 {
		t.Errorf("the position is %d, want 7: the store did not wait for the transaction", got)
	}
	if err := db.Close(ctx); err != nil {
		t.Error(err)
	}
}

// TestTablesAreTuned proves that a database of PostgreSQL has the settings of
// tables that the ones of SQLite lack, and that a second start finds them.
func TestTablesAreTuned(t *testing.T) {
	dsn := os.Getenv("VIGIL_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("VIGIL_TEST_POSTGRES is not set: there is no PostgreSQL to try")
	}
	d, err := openPostgres(t.Context(), dsn+"&search_path=tuned")
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.write.ExecContext(t.Context(), "CREATE SCHEMA tuned")
	if err = errors.Join(err, d.prepare(t.Context()), d.prepare(t.Context())); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_, err := d.write.ExecContext(context.WithoutCancel(t.Context()), "DROP SCHEMA tuned CASCADE")
		if err = errors.Join(err, d.close()); err != nil {
			t.Error(err)
		}
	}()
	for _, s := range tuned {
		var have bool
		if err := d.write.QueryRowContext(t.Context(), s.have).Scan(&have); err != nil || !have {
			t.Errorf("%s was not carried out: %v", s.set, err)
		}
	}
}
