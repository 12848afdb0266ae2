//go:build unix

package stream

import (
	"fmt"
	"syscall"
)

// freeBytes returns how many bytes an ordinary user may still write to the file
// system of dir.
func freeBytes(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("ask for free space: %w", err)
	}
	return st.Bavail * uint64(st.Bsize), nil
}
