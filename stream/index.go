package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// indexFile is where the server notes, when it stops and now and then, what its
// message files hold.
const indexFile = "index.db"

// sumLen is the length of the checksum at the end of each of the server's
// records, and of the one that its index remembers of the newest file.
const sumLen = 8

// distrustIndexes removes the indexes that the server would believe by mistake.
// It compares the last bytes of the newest file with the checksum that the index
// remembers, which is zero when the stream was empty: after a loss of power that
// left zeros behind the synced records, an index from before all of them agrees,
// and the server (2.15.0) takes the stream for empty. Without an index it reads
// the files.
func distrustIndexes(dir string) error {
	folders, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(blocksDir(dir, 0))), "*", "msgs"))
	if err != nil {
		return fmt.Errorf("list the journal's streams: %w", err)
	}
	for _, folder := range folders {
		files, err := newest(folder, 1)
		if err != nil {
			return fmt.Errorf("list the journal's files: %w", err)
		}
		if len(files) == 0 {
			continue
		}
		zeros, err := endsInZeros(files[len(files)-1])
		if err != nil {
			return fmt.Errorf("look at the end of a journal file: %w", err)
		}
		if !zeros {
			continue
		}
		if err := os.Remove(filepath.Join(folder, indexFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove an index that cannot be right: %w", err)
		}
	}
	return nil
}

// endsInZeros tells whether a file ends in what no record ends in.
func endsInZeros(b blockFile) (bool, error) {
	if b.size < sumLen {
		return b.size > 0, nil
	}
	f, err := os.Open(b.path)
	if err != nil {
		return false, err
	}
	var end [sumLen]byte
	_, err = f.ReadAt(end[:], b.size-sumLen)
	return end == [sumLen]byte{}, errors.Join(err, f.Close())
}
