package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/vigil-iomt/vigil"
)

// A dataFolder is the folder of an installation, held by one process.
type dataFolder struct {
	path string
	lock *os.File
}

// openFolder makes the folder when it is new, readable by its owner only, and
// locks it against a second server.
func openFolder(path string) (*dataFolder, error) {
	if path == "" {
		return nil, vigil.Errorf(vigil.Invalid, "name the data folder: --data DIR or VIGIL_DATA")
	}
	for _, dir := range []string{path, filepath.Join(path, "devices"), filepath.Join(path, "journal")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make data folder: %w", err)
		}
	}
	for _, dir := range []string{filepath.Dir(path), path} {
		if err := syncFolder(dir); err != nil {
			return nil, err
		}
	}
	lock, err := os.OpenFile(filepath.Join(path, "vigil.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, vigil.Errorf(vigil.Conflicting, "another server is running on %s", path)
		}
		return nil, fmt.Errorf("lock data folder: %w", err)
	}
	return &dataFolder{path: path, lock: lock}, nil
}

// syncFolder puts the names in a folder on disk: without that a loss of power
// may take a new folder with all that was synced inside.
func syncFolder(path string) error {
	d, err := os.Open(path) // #nosec G304 -- the installation's own folder
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

// journal is where the journal lies.
func (d *dataFolder) journal() string { return filepath.Join(d.path, "journal") }

// close releases the folder.
func (d *dataFolder) close() error { return d.lock.Close() }

// freeBytes returns how much of the disk under path is free, and how large it is.
func freeBytes(path string) (free, size uint64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return 0, 0, fmt.Errorf("look at disk: %w", err)
	}
	block := uint64(st.Bsize)
	return st.Bavail * block, st.Blocks * block, nil
}
