package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"strconv"
	"strings"
)

// migrations are the steps from an empty database to the present format, in
// the order of their numbers. A step that was released never changes.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate takes the database to the present format. A database of a newer
// program is refused.
func migrate(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS format (version INTEGER PRIMARY KEY)`); err != nil {
		return fmt.Errorf("create format table: %w", err)
	}
	var have int
	if err := db.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM format`).Scan(&have); err != nil {
		return fmt.Errorf("read format version: %w", err)
	}
	files, err := migrations.ReadDir("migrations")
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	if have > len(files) {
		return fmt.Errorf("the database has format %d, this program knows up to %d", have, len(files))
	}
	for i, f := range files {
		number, _, _ := strings.Cut(f.Name(), "_")
		if v, err := strconv.Atoi(number); err != nil || v != i+1 {
			return fmt.Errorf("migration %s: want number %d", f.Name(), i+1)
		}
		if i < have {
			continue
		}
		text, err := migrations.ReadFile("migrations/" + f.Name())
		if err != nil {
			return fmt.Errorf("read migration %s: %w", f.Name(), err)
		}
		if err := step(ctx, db, i+1, string(text)); err != nil {
			return fmt.Errorf("migration %s: %w", f.Name(), err)
		}
	}
	return nil
}

// step carries out one migration and notes it, in one transaction.
func step(ctx context.Context, db *sql.DB, version int, text string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	for s := range strings.SplitSeq(text, ";\n") {
		if strings.TrimSpace(s) == "" {
			continue
		}
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("run statement: %w", err)
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO format (version) VALUES ($1)`, version); err != nil {
		return fmt.Errorf("note version: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
