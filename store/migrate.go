package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"modernc.org/sqlite"
)

// migrations are the steps from an empty database to the present format, in
// the order of their numbers: of series and all that is beside them, and of the
// record of resources. A step that was released never changes.
//
//go:embed migrations/*.sql migrations/record/*.sql
var migrations embed.FS

// A steps is a folder of migrations and the table that says which of them were
// carried out.
type steps struct{ dir, table string }

var (
	mainSteps   = steps{"migrations", "format"}
	recordSteps = steps{"migrations/record", "record_format"}
)

// migrate takes the database to the present format. A database of a newer
// program is refused.
func migrate(ctx context.Context, db *sql.DB) error { return mainSteps.migrate(ctx, db) }

func (s steps) migrate(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS `+s.table+` (version INTEGER PRIMARY KEY)`); err != nil {
		return fmt.Errorf("create format table: %w", err)
	}
	var have int
	if err := db.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM `+s.table).Scan(&have); err != nil {
		return fmt.Errorf("read format version: %w", err)
	}
	files, err := migrations.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	files = slices.DeleteFunc(files, fs.DirEntry.IsDir)
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
		text, err := migrations.ReadFile(s.dir + "/" + f.Name())
		if err != nil {
			return fmt.Errorf("read migration %s: %w", f.Name(), err)
		}
		if err := s.step(ctx, db, i+1, string(text)); err != nil {
			return fmt.Errorf("migration %s: %w", f.Name(), err)
		}
	}
	return nil
}

// step carries out one migration and notes it, in one transaction.
func (s steps) step(ctx context.Context, db *sql.DB, version int, text string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }()
	if _, ok := db.Driver().(*sqlite.Driver); !ok {
		text = strings.ReplaceAll(text, ") WITHOUT ROWID", ")") // SQLite alone has such tables
	}
	for statement := range strings.SplitSeq(text, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("run statement: %w", err)
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO `+s.table+` (version) VALUES ($1)`, version); err != nil {
		return fmt.Errorf("note version: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}
