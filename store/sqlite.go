package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
)

// The names of the databases in the store's folder.
const (
	sqliteFile = "vigil.db"
	recordFile = "record.db"
)

// openSQLite opens the database in a folder: one connection that writes, with
// every commit synced, and a few that read. Pages have 16 KiB, so that a chunk
// stays in the row it belongs to.
//
// The journal would let checkpoints do with a weaker sync, but it is trimmed up
// to the position that a checkpoint reports: that position has to be on disk,
// and a sync per checkpoint costs nothing.
//
// What SQLite sorts and spills stays in memory: its temporary files would lie
// outside the data folder, unsealed. The file is not mapped into memory: a read
// error would then end the process instead of one query.
func openSQLite(ctx context.Context, dir string) (*database, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of the database: %w", err)
	}
	return openFile(ctx, filepath.Join(dir, sqliteFile), 8, "page_size(16384)", "journal_mode(WAL)", "synchronous(FULL)",
		"cache_size(-16384)", "journal_size_limit(67108864)", "wal_autocheckpoint(2000)")
}

// openRecord opens the database of resources in a folder. It is one of its own:
// what finds resources lies all over the file, so that small pages are cheaper
// to write, and those who write resources need not wait for a checkpoint of
// series. Its log is long, because the same pages are written again and again.
func openRecord(ctx context.Context, dir string) (*database, error) {
	return openFile(ctx, filepath.Join(dir, recordFile), 8, "page_size(4096)", "journal_mode(WAL)", "synchronous(FULL)",
		"cache_size(-65536)", "journal_size_limit(134217728)", "wal_autocheckpoint(16000)")
}

// openFile opens one database.
func openFile(ctx context.Context, path string, readers int, pragmas ...string) (*database, error) {
	d := &database{write: sqlitePool(path, 1, pragmas...), name: "sqlite " + path, rows: sqliteRows}
	if err := d.write.PingContext(ctx); err != nil {
		return nil, d.fail(fmt.Errorf("open database %s: %w", path, err))
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, d.fail(fmt.Errorf("protect database: %w", err))
	}
	d.read = sqlitePool(path, readers, "query_only(1)", "cache_size(-8192)")
	return d, nil
}

// sqlitePool opens a pool of connections, each with the pragmas in their order.
func sqlitePool(path string, conns int, pragmas ...string) *sql.DB {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": append([]string{"busy_timeout(30000)", "temp_store(MEMORY)"}, pragmas...)}
	file := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}
	db := sql.OpenDB(connector{file.String()})
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db
}

// A connector opens connections of the SQLite driver without its registration.
type connector struct{ name string }

// Connect opens one connection.
func (c connector) Connect(context.Context) (driver.Conn, error) { return c.Driver().Open(c.name) }

// Driver returns the driver.
func (connector) Driver() driver.Driver { return &sqlite.Driver{} }
