package stream

import (
	"os"
	"path/filepath"
	"testing"
)

// TestIndexOfAnEmptyStreamIsNotBelieved: a journal is stopped in order while it
// is empty, and goes on; then the power goes and leaves zeros behind what was
// synced. Everything that was acknowledged is there. Seen to lose all of it when
// the server's index from the orderly stop is left where it is.
func TestIndexOfAnEmptyStreamIsNotBelieved(t *testing.T) {
	for name, zeros := range map[string]int64{"a few": 3, "a checksum": 8, "many": 500} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			one := func(c *Config) { c.Partitions = 1 }
			shut(t, open(t, dir, one))
			j := open(t, dir, one)
			ms := testMetrics()
			const records = 5
			for i := range records {
				if err := put(j, vitals(ms, 1, i)); err != nil {
					t.Fatal(err)
				}
			}
			cut := t.TempDir()
			if err := os.CopyFS(cut, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(blocksDir(cut, 0), indexFile)); err != nil {
				t.Fatalf("the server keeps its index elsewhere: %v", err)
			}
			file := blocks(t, cut)[0]
			st, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(file, st.Size()+zeros); err != nil {
				t.Fatal(err)
			}
			again := open(t, cut, one)
			got := 0
			for _, f := range all(t, again, 0, 0) {
				got += len(f.Records)
			}
			if got != records {
				t.Errorf("%d records, want %d", got, records)
			}
			if d := again.Stats().Damage; len(d) > 0 {
				t.Errorf("what nobody was told of is called damaged: %v", d)
			}
		})
	}
}
