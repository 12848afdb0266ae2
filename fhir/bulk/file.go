package bulk

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/klauspost/compress/gzip"

	"github.com/vigil-iomt/vigil"
)

// A file is NDJSON on disk: blocks that are packed one by one and then sealed.
// A packed block is a member of a gzip file (RFC 1952, 2.2), so that all of them
// together are one, and a client that takes gzip gets them as they are.
type file struct {
	Name   string  `json:"name"`
	Role   string  `json:"role"` // output, deleted, error
	Type   string  `json:"type"`
	Input  string  `json:"input,omitempty"` // address that it tells of
	Count  int64   `json:"count"`
	Blocks []block `json:"blocks"`
}

// A block is a piece of a file, with its sizes.
type block struct {
	Plain  int64 `json:"p"`
	Packed int64 `json:"z"`
	Sealed int64 `json:"s"`
}

// stored is how much room a file takes.
func (f *file) stored() (n int64) {
	for _, b := range f.Blocks {
		n += b.Sealed
	}
	return n
}

// blockSize is about how large a block is before it is packed.
const blockSize = 512 << 10

// A writer writes the files of one step. Every role and type has its own, and a
// new one when it has got large.
type writer struct {
	s    *Service
	j    *job
	open map[string]*openFile
	full []*openFile
}

// An openFile is a file that is being written.
type openFile struct {
	file
	w     *os.File
	plain []byte // of the block that is not yet written
	size  int64  // of the file before packing
}

func (s *Service) writer(j *job) *writer {
	return &writer{s: s, j: j, open: map[string]*openFile{}}
}

// line adds a line to the file of a role and type.
func (w *writer) line(role, typ, input string, text []byte) error {
	f := w.open[role+typ]
	if f == nil {
		f = &openFile{file: file{Role: role, Type: typ, Input: input}}
		f.Name = strconv.Itoa(w.j.Step) + "-" + strconv.Itoa(len(w.full)+len(w.open)) + "-" + typ + ".ndjson"
		var err error
		f.w, err = os.OpenFile(w.path(f.Name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) // #nosec G304 -- a folder of this room's own
		if err != nil {
			return fmt.Errorf("make bulk file: %w", err)
		}
		w.open[role+typ] = f
	}
	f.plain = appendLine(f.plain, text)
	f.Count++
	if len(f.plain) >= blockSize {
		if err := w.flush(f); err != nil {
			return err
		}
	}
	if f.size < w.s.c.FileSize {
		return nil
	}
	delete(w.open, role+typ)
	w.full = append(w.full, f)
	return w.flush(f)
}

// appendLine appends a resource as one line: between its tokens JSON may have
// line ends, within them it has none.
func appendLine(dst, text []byte) []byte {
	start := len(dst)
	dst = append(dst, text...)
	for i := start; i < len(dst); i++ {
		if dst[i] == '\n' || dst[i] == '\r' {
			dst[i] = ' '
		}
	}
	return append(dst, '\n')
}

func (w *writer) path(name string) string { return filepath.Join(w.s.c.Dir, w.j.ID, name) }

// flush writes the block of a file.
func (w *writer) flush(f *openFile) error {
	if len(f.plain) == 0 {
		return nil
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err == nil {
		_, err = z.Write(f.plain)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return fmt.Errorf("pack bulk file: %w", err)
	}
	sealed := w.s.c.Sealer.Seal(nil, owner, packed.Bytes())
	if err := w.s.wrote(w.j, int64(len(sealed))); err != nil {
		return err
	}
	if _, err := f.w.Write(sealed); err != nil {
		return vigil.Errorf(vigil.Full, "write bulk file: %w", err)
	}
	f.Blocks = append(f.Blocks, block{int64(len(f.plain)), int64(packed.Len()), int64(len(sealed))})
	f.size += int64(len(f.plain))
	f.plain = f.plain[:0]
	return nil
}

// settle writes everything down and lists all files.
func (w *writer) settle() ([]*openFile, error) {
	all := w.full
	for _, f := range w.open {
		if err := w.flush(f); err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

// finish puts the files of the step on disk for good.
func (w *writer) finish() ([]file, error) {
	all, err := w.settle()
	if err != nil {
		return nil, err
	}
	files := make([]file, 0, len(all))
	for _, f := range all {
		if err := f.w.Sync(); err != nil {
			return nil, vigil.Errorf(vigil.Full, "write bulk file: %w", err)
		}
		files = append(files, f.file)
	}
	return files, nil
}

// close closes the files of the step, in which everything may have failed.
func (w *writer) close() {
	for _, f := range w.full {
		_ = f.w.Close() // synced, or given up
	}
	for _, f := range w.open {
		_ = f.w.Close()
	}
}

// reread calls f with every line that the step has written for a role and type.
func (w *writer) reread(ctx context.Context, role, typ string, f func(line []byte) error) error {
	all, err := w.settle()
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.Role != role || o.Type != typ {
			continue
		}
		r, err := w.s.read(w.j.ID, &o.file, false)
		if err != nil {
			return err
		}
		err = eachLine(r, func(_ int, line []byte) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return f(line)
		})
		_ = r.Close() // it was only read
		if err != nil {
			return err
		}
	}
	return nil
}

// A reader reads a file, unpacked or packed, from any place.
type reader struct {
	s      *Service
	f      *file
	from   *os.File
	packed bool
	size   int64
	at     int64

	start int64  // where it begins in what is read
	mem   []byte // nil: none
}

// read opens a file of a job.
func (s *Service) read(id string, f *file, packed bool) (*reader, error) {
	from, err := os.Open(filepath.Join(s.c.Dir, id, f.Name)) // #nosec G304 -- a name that this room gave
	if err != nil {
		return nil, fmt.Errorf("open bulk file: %w", err)
	}
	r := &reader{s: s, f: f, from: from, packed: packed}
	for _, b := range f.Blocks {
		r.size += r.length(b)
	}
	return r, nil
}

// length is how long a block is in what is read.
func (r *reader) length(b block) int64 {
	if r.packed {
		return b.Packed
	}
	return b.Plain
}

// Close closes the file.
func (r *reader) Close() error { return r.from.Close() }

// Seek goes to a place.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.size
	}
	if offset < 0 {
		return 0, fmt.Errorf("seek before the start of a bulk file")
	}
	r.at = offset
	return offset, nil
}

// Read reads on.
func (r *reader) Read(p []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	if r.mem == nil || r.at < r.start || r.at >= r.start+int64(len(r.mem)) {
		if err := r.load(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.mem[r.at-r.start:])
	r.at += int64(n)
	return n, nil
}

// load takes the block into memory in which the place lies.
func (r *reader) load() error {
	var start, offset int64
	for _, b := range r.f.Blocks {
		if n := r.length(b); r.at >= start+n {
			start, offset = start+n, offset+b.Sealed
			continue
		}
		sealed := make([]byte, b.Sealed)
		if _, err := r.from.ReadAt(sealed, offset); err != nil {
			return fmt.Errorf("read bulk file: %w", err)
		}
		mem, err := r.s.c.Sealer.Open(nil, sealed)
		if err != nil {
			return fmt.Errorf("open bulk file: %w", err)
		}
		if !r.packed {
			if mem, err = unpack(mem, b.Plain); err != nil {
				return err
			}
		}
		r.mem, r.start = mem, start
		return nil
	}
	return io.EOF
}

// unpack unpacks a block of a known size.
func unpack(packed []byte, size int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("unpack bulk file: %w", err)
	}
	plain := make([]byte, size)
	if _, err := io.ReadFull(z, plain); err != nil {
		return nil, fmt.Errorf("unpack bulk file: %w", err)
	}
	return plain, nil
}
