package store

import (
	"context"
	"database/sql"
	"testing"
)

// TestTemporaryFilesStayInMemory asks connections of both pools where SQLite
// puts what it sorts and spills.
func TestTemporaryFilesStayInMemory(t *testing.T) {
	ctx := context.Background()
	d, err := openSQLite(ctx, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}()
	for name, pool := range map[string]*sql.DB{"writing": d.write, "reading": d.read} {
		var where int
		if err := pool.QueryRowContext(ctx, "PRAGMA temp_store").Scan(&where); err != nil {
			t.Fatal(err)
		}
		if memory := 2; where != memory {
			t.Errorf("%s: temp_store is %d, want %d, memory", name, where, memory)
		}
	}
}
