package stream

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/minio/highwayhash"
)

// After a stop without notice the server checks its newest files and cuts each
// at the first record that does not read: every sound frame behind it is gone.
// So before the server starts after such a stop, this room looks at the files
// itself, and copies aside those of which acknowledged frames would be cut off.
// openPartition writes them back under their sequences, and salvage finds in the
// copies what cannot be written back because it stands in the middle.

const (
	// runningFile is there while the embedded server runs: when it is there
	// before, the last stop was none.
	runningFile = "running"
	// asideFolder holds the copies, in a folder for each stream, named after
	// the block and the newest frame that may be in it.
	asideFolder = "damaged"
	// asideLook is how many bytes of the newest files of the journal are
	// looked at; the server checks no more than what its own index does not
	// cover.
	asideLook = 1 << 30
	// blockDeleted are the bits of a sequence that mark a record of a deletion.
	blockDeleted = 3 << 62
)

func asideDir(dir string, partition int) string {
	return filepath.Join(dir, asideFolder, streamName(partition))
}

// begin notes that the server is about to run, after the files were looked at
// when the run before did not end in order.
func begin(dir string, hw *highWater) error {
	if err := distrustIndexes(dir); err != nil {
		return err
	}
	path := filepath.Join(dir, runningFile)
	_, err := os.Stat(path)
	switch {
	case err == nil:
		if err := copyDamaged(dir, hw); err != nil {
			return fmt.Errorf("look for damaged journal files: %w", err)
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("see how the journal was stopped: %w", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return fmt.Errorf("note that the journal runs: %w", err)
	}
	return syncDir(dir)
}

// end notes that the server was stopped in order.
func (j *Journal) end() error {
	for _, p := range j.parts {
		if e := p.failing.Load(); e != nil && errors.Is(*e, errStore) {
			return nil // nobody knows what is on disk
		}
	}
	err := os.Remove(filepath.Join(j.c.Dir, runningFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// copyDamaged copies aside each block file that does not read to its end, if it
// breaks off before the acknowledged mark.
func copyDamaged(dir string, hw *highWater) error {
	for partition, m := range hw.marks {
		files, err := newest(blocksDir(dir, partition), asideLook/len(hw.marks))
		if err != nil {
			return err
		}
		last := uint64(0)
		for _, file := range files {
			b, err := os.ReadFile(file.path) // #nosec G304 -- the journal's own folder
			if err != nil {
				return err
			}
			good, sound := readsTo(b, partition, file.index)
			last = max(last, good)
			if sound || last >= m.last { // else a torn end that nobody was told of
				continue
			}
			if err := copyAside(asideDir(dir, partition), fmt.Sprintf("%d-%d.blk", file.index, m.last), b); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyAside(dir, name string, b []byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // #nosec G304 -- the journal's own folder
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	for _, d := range []string{dir, filepath.Dir(dir), filepath.Dir(filepath.Dir(dir))} {
		err = errors.Join(err, syncDir(d))
	}
	return err
}

// A blockFile is one of the server's message files.
type blockFile struct {
	path  string
	index uint32 // its number, which the server begins at 1
	size  int64
}

// newest returns the newest files of a folder, in order, up to so many bytes.
func newest(dir string, most int) ([]blockFile, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.blk"))
	if err != nil {
		return nil, err
	}
	var files []blockFile
	for _, path := range paths {
		n, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(path), ".blk"), 10, 32)
		if err != nil {
			continue
		}
		st, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		files = append(files, blockFile{path, uint32(n), st.Size()})
	}
	slices.SortFunc(files, func(a, b blockFile) int { return int(int64(a.index) - int64(b.index)) })
	from := len(files)
	for left := int64(most); from > 0 && left > 0; from-- {
		left -= files[from-1].size
	}
	return files[from:], nil
}

// readsTo checks the records of a block as the server does when it recovers. It
// returns the newest sequence before the first one that does not read, and
// whether all read.
func readsTo(b []byte, partition int, index uint32) (last uint64, sound bool) {
	le := binary.LittleEndian
	key := sha256.Sum256(fmt.Appendf(nil, "%s-%d", streamName(partition), index))
	hash, err := highwayhash.NewDigest64(key[:])
	if err != nil {
		return 0, true
	}
	for at := 0; at < len(b); {
		if len(b)-at < blockHead+blockChecksum {
			return last, false
		}
		size := le.Uint32(b[at:])
		n := int(size &^ blockHeader)
		subject := int(le.Uint16(b[at+20:]))
		body := blockHead + subject
		if size&blockHeader != 0 {
			body += 4
		}
		if n > len(b)-at || body > n-blockChecksum {
			return last, false
		}
		r := b[at : at+n]
		hash.Reset()
		for _, part := range [][]byte{r[4:20], r[blockHead : blockHead+subject], r[body : n-blockChecksum]} {
			_, _ = hash.Write(part)
		}
		if !bytes.Equal(hash.Sum(nil), r[n-blockChecksum:]) {
			return last, false
		}
		if seq := le.Uint64(r[4:]); seq&blockDeleted == 0 {
			last = max(last, seq)
		}
		at += n
	}
	return last, true
}

// digAside finds the bytes of a frame in the copies.
func (p *partition) digAside(seq uint64) []byte {
	for _, file := range p.asides() {
		b, err := os.ReadFile(file) // #nosec G304 -- the journal's own folder
		if err != nil {
			continue
		}
		if frame := frameIn(b, seq, frameSubject(p.number)); frame != nil {
			return frame
		}
	}
	return nil
}

func (p *partition) asides() []string {
	files, err := filepath.Glob(filepath.Join(asideDir(p.j.c.Dir, p.number), "*.blk"))
	if err != nil {
		return nil
	}
	return files
}

// firstAside returns the oldest sequence of those from `from` to `to` that is in
// a copy; to+1 when there is none.
func firstAside(dir string, partition int, from, to uint64) uint64 {
	first := to + 1
	files, err := filepath.Glob(filepath.Join(asideDir(dir, partition), "*.blk"))
	if err != nil {
		return first
	}
	subject := []byte(frameSubject(partition))
	for _, file := range files {
		b, err := os.ReadFile(file) // #nosec G304 -- the journal's own folder
		if err != nil {
			continue
		}
		for at := 0; ; {
			i := bytes.Index(b[at:], subject)
			if i < 0 {
				break
			}
			at += i + len(subject)
			if i = at - len(subject) - blockHead; i < 0 {
				continue
			}
			seq := binary.LittleEndian.Uint64(b[i+4:])
			if seq >= from && seq < first && frameIn(b, seq, string(subject)) != nil {
				first = seq
			}
		}
	}
	return first
}

// tidyAside removes the copies that hold nothing any more that is not trimmed.
func (p *partition) tidyAside(first uint64) error {
	var errs []error
	for _, file := range p.asides() {
		_, to, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".blk"), "-")
		if last, err := strconv.ParseUint(to, 10, 64); err == nil && last < first {
			errs = append(errs, os.Remove(file))
		}
	}
	return errors.Join(errs...)
}
