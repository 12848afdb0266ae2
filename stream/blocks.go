package stream

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// blocksDir is where the embedded server keeps the message files of a
// partition; its one account is called $G.
func blocksDir(dir string, partition int) string {
	return filepath.Join(dir, "jetstream", "$G", "streams", streamName(partition), "msgs")
}

// A blockDir makes sure that not only the contents of the message files are on
// disk but also their names: the server syncs a file that it has begun, but not
// the folder that lists it, and POSIX lets a power failure take the name away.
type blockDir struct {
	path    string    // "" with an external cluster
	changed time.Time // the folder's modification time when it was synced last
}

// syncAll syncs the folder and those above it up to root.
func (d *blockDir) syncAll(root string) error {
	if d.path == "" {
		return nil
	}
	if err := d.sync(); err != nil {
		return err
	}
	for path := filepath.Dir(d.path); len(path) >= len(root); path = filepath.Dir(path) {
		if err := syncDir(path); err != nil {
			return fmt.Errorf("sync the journal's folders: %w", err)
		}
		if path == filepath.Dir(path) {
			break
		}
	}
	return nil
}

// sync syncs the folder when a file came or went since the last time.
func (d *blockDir) sync() error {
	if d.path == "" {
		return nil
	}
	st, err := os.Stat(d.path)
	if err != nil {
		return fmt.Errorf("look at the journal's folder: %w", err)
	}
	if st.ModTime().Equal(d.changed) {
		return nil
	}
	if err := syncDir(d.path); err != nil {
		return fmt.Errorf("sync the journal's folder: %w", err)
	}
	d.changed = st.ModTime()
	return nil
}
