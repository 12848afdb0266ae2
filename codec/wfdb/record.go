package wfdb

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// Missing is the sample that says "no sample here". It has the value of
// vigil.Missing.
const Missing = -1 << 31

// ReadHeader reads DIR/NAME.hea; name may be given with or without ".hea" and
// with a folder.
func ReadHeader(fsys fs.FS, name string) (*Header, error) {
	file := strings.TrimSuffix(name, ".hea") + ".hea"
	text, err := fs.ReadFile(fsys, file)
	if err != nil {
		return nil, fmt.Errorf("read header: %w", err)
	}
	h, err := ParseHeader(text)
	if err != nil {
		return nil, fmt.Errorf("read header %s: %w", file, err)
	}
	return h, nil
}

// A Record is a record that is open for reading. It is not safe for use by
// several goroutines.
type Record struct {
	Header *Header
	// Layout lists the signals that blocks have, in their order. In a
	// multi-segment record their gains may differ from segment to segment:
	// each Block carries its own.
	Layout []Signal

	fsys     fs.FS
	dir      string
	segments []Segment
	index    int // of the segment that is open or comes next
	open     *segment
	at       int64 // frames given so far
	null     int64 // frames left in a gap
}

// A Block is a run of frames whose signals have one calibration.
type Block struct {
	Start  int64 // index of the first frame in the record
	Frames int
	// Signals describe the samples of this block; they have the order of
	// Record.Layout.
	Signals []Signal
	// Samples holds Frames*PerFrame samples per signal, Missing where there
	// is none; nil for a signal that this segment does not have.
	Samples [][]int32
}

// Open opens the record DIR/NAME.
func Open(fsys fs.FS, name string) (*Record, error) {
	h, err := ReadHeader(fsys, name)
	if err != nil {
		return nil, err
	}
	r := &Record{Header: h, Layout: h.Signals, fsys: fsys, dir: path.Dir(name)}
	if len(h.Segments) == 0 {
		r.segments = []Segment{{Name: h.Name, Frames: h.Frames}}
		r.open, err = r.start(h)
		return r, err
	}
	r.segments = h.Segments
	if h.Segments[0].Frames == 0 {
		r.segments = h.Segments[1:] // the layout holds no data
	}
	for _, s := range h.Segments {
		if s.Name == gap {
			continue
		}
		first, err := ReadHeader(fsys, path.Join(r.dir, s.Name))
		if err != nil {
			return nil, err
		}
		r.Layout = first.Signals
		return r, nil
	}
	return nil, fmt.Errorf("open record %s: every segment is a gap", h.Name)
}

// Close closes the files of the record.
func (r *Record) Close() error {
	if r.open == nil {
		return nil
	}
	s := r.open
	r.open = nil
	return s.close()
}

// Next reads up to frames frames. A block never spans two segments. At the end
// it returns io.EOF. A file that ends early, or whose samples do not add up to
// the header's checksum, is an error; the checksum is compared when a segment
// was read to its end.
func (r *Record) Next(frames int) (Block, error) {
	for {
		if r.null > 0 {
			return r.gapBlock(frames), nil
		}
		if r.open == nil {
			if err := r.advance(); err != nil {
				return Block{}, err
			}
			continue
		}
		b, err := r.open.read(frames)
		if err != nil && !errors.Is(err, io.EOF) {
			return Block{}, err
		}
		if b.Frames > 0 {
			b.Start = r.at
			r.at += int64(b.Frames)
			return r.arrange(b), nil
		}
		if err := errors.Join(r.open.verify(), r.Close()); err != nil {
			return Block{}, err
		}
		r.index++
	}
}

// advance opens the next segment, or begins a gap.
func (r *Record) advance() error {
	if r.index >= len(r.segments) || len(r.Header.Segments) == 0 {
		return io.EOF
	}
	s := r.segments[r.index]
	if s.Name == gap {
		r.null = s.Frames
		r.index++
		return nil
	}
	h, err := ReadHeader(r.fsys, path.Join(r.dir, s.Name))
	if err != nil {
		return err
	}
	if len(h.Segments) > 0 {
		return fmt.Errorf("segment %s: has segments itself", s.Name)
	}
	if h.Frames == 0 {
		h.Frames = s.Frames
	}
	r.open, err = r.start(h)
	return err
}

func (r *Record) gapBlock(frames int) Block {
	n := min(int64(frames), r.null)
	b := Block{Start: r.at, Frames: int(n), Signals: r.Layout, Samples: make([][]int32, len(r.Layout))}
	r.null -= n
	r.at += n
	return b
}

// arrange puts a segment's signals into the order of the layout.
func (r *Record) arrange(b Block) Block {
	if len(r.Header.Segments) == 0 {
		return b
	}
	out := Block{Start: b.Start, Frames: b.Frames, Signals: make([]Signal, len(r.Layout)), Samples: make([][]int32, len(r.Layout))}
	copy(out.Signals, r.Layout)
	taken := make([]bool, len(r.Layout))
	for i, s := range b.Signals {
		for j := range r.Layout {
			if !taken[j] && r.Layout[j].Title == s.Title {
				out.Signals[j], out.Samples[j], taken[j] = s, b.Samples[i], true
				break
			}
		}
	}
	return out
}

// A segment reads the signal files of one single-segment header.
type segment struct {
	header *Header
	files  []fs.File
	groups []group
	queues [][]int32 // per signal: samples that were read ahead because of skew
	skew   int
	last   []int32 // per signal: the running value of format 8
	sums   []int16
	given  int64
	ended  bool
}

// A group is the signals that share one file.
type group struct {
	stream  *stream
	signals []int // indexes
}

func (r *Record) start(h *Header) (*segment, error) {
	s := &segment{
		header: h, queues: make([][]int32, len(h.Signals)),
		last: make([]int32, len(h.Signals)), sums: make([]int16, len(h.Signals)),
	}
	for i, sig := range h.Signals {
		if i > 0 && sig.File == h.Signals[i-1].File {
			g := &s.groups[len(s.groups)-1]
			g.signals = append(g.signals, i)
			if sig.Format != h.Signals[i-1].Format {
				return nil, errors.Join(fmt.Errorf("record %s: two formats in file %s", h.Name, sig.File), s.close())
			}
		} else if err := s.openFile(r, i); err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.skew = max(s.skew, sig.Skew)
		s.last[i] = int32(sig.Initial) // #nosec G115 -- limited by ParseHeader
	}
	if err := s.skip(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *segment) openFile(r *Record, i int) error {
	sig := &s.header.Signals[i]
	f, err := formatOf(sig.Format)
	if err != nil {
		return fmt.Errorf("record %s: signal %d: %w", s.header.Name, i, err)
	}
	file, err := r.fsys.Open(path.Join(r.dir, sig.File))
	if err != nil {
		return fmt.Errorf("open signals: %w", err)
	}
	s.files = append(s.files, file)
	b := bufio.NewReaderSize(file, 32<<10)
	if _, err := io.CopyN(io.Discard, b, sig.Offset); err != nil {
		return fmt.Errorf("record %s: file %s is shorter than its offset", s.header.Name, sig.File)
	}
	s.groups = append(s.groups, group{stream: &stream{f: f, r: b}, signals: []int{i}})
	return nil
}

// skip drops the frames by which skewed signals lag behind, so that the queues
// of all signals begin at the same time.
func (s *segment) skip() error {
	for i := range s.skew {
		if err := s.frame(); err != nil || s.ended {
			return err
		}
		for j, sig := range s.header.Signals {
			if i < sig.Skew {
				s.queues[j] = s.queues[j][:len(s.queues[j])-sig.PerFrame]
			}
		}
	}
	return nil
}

// frame reads one frame of the files into the queues. After the end it adds
// missing samples: a skewed signal is shorter than the others.
func (s *segment) frame() error {
	for _, g := range s.groups {
		for _, i := range g.signals {
			for range s.header.Signals[i].PerFrame {
				v, err := s.sample(g.stream, i)
				if errors.Is(err, io.EOF) {
					s.ended = true
					v, err = Missing, nil
				}
				if err != nil {
					return fmt.Errorf("record %s: %w", s.header.Name, err)
				}
				s.queues[i] = append(s.queues[i], v)
			}
		}
	}
	return nil
}

func (s *segment) sample(st *stream, i int) (int32, error) {
	v, err := st.next()
	if err != nil {
		return 0, err
	}
	if s.header.Signals[i].Format == 8 {
		s.last[i] += v
		v = s.last[i]
	}
	if v == st.f.invalid {
		return Missing, nil
	}
	return v, nil
}

// read gives up to frames frames.
func (s *segment) read(frames int) (Block, error) {
	if s.header.Frames > 0 {
		frames = int(min(int64(frames), s.header.Frames-s.given))
	}
	b := Block{Signals: s.header.Signals, Samples: make([][]int32, len(s.header.Signals))}
	for b.Frames < frames {
		if len(s.groups) == 0 {
			return b, io.EOF
		}
		if err := s.frame(); err != nil {
			return b, err
		}
		if s.ended && !s.tail(b.Frames) {
			break
		}
		b.Frames++
	}
	for i, sig := range s.header.Signals {
		n := min(b.Frames*sig.PerFrame, len(s.queues[i]))
		b.Samples[i] = append([]int32(nil), s.queues[i][:n]...)
		s.queues[i] = append(s.queues[i][:0], s.queues[i][n:]...)
		s.sum(i, b.Samples[i])
	}
	s.given += int64(b.Frames)
	if b.Frames == 0 {
		return b, io.EOF
	}
	return b, nil
}

// tail tells whether frame n of the queues still holds a sample of any signal
// after the files have ended.
func (s *segment) tail(n int) bool {
	for i, sig := range s.header.Signals {
		for _, v := range s.queues[i][min(n*sig.PerFrame, len(s.queues[i])):] {
			if v != Missing {
				return true
			}
		}
	}
	return false
}

// sum adds samples to the signal's 16-bit checksum. A missing sample counts as
// the format's invalid value.
func (s *segment) sum(i int, samples []int32) {
	f, err := formatOf(s.header.Signals[i].Format)
	if err != nil {
		return
	}
	for _, v := range samples {
		if v == Missing && f.invalid != none {
			v = f.invalid
		}
		s.sums[i] += int16(v) // #nosec G115 -- the low 16 bits are meant
	}
}

// verify compares length and checksums with the header. Checksums of records
// with skew cover samples that are never given, so they are not compared.
func (s *segment) verify() error {
	if s.header.Frames > 0 && s.given < s.header.Frames {
		return fmt.Errorf("record %s: the files end after %d of %d frames", s.header.Name, s.given, s.header.Frames)
	}
	if s.skew > 0 || s.header.Frames == 0 {
		return nil
	}
	for i, sig := range s.header.Signals {
		if sig.Checked && sig.Checksum != s.sums[i] {
			return fmt.Errorf("record %s: signal %d (%s): samples add up to %d, the header says %d",
				s.header.Name, i, sig.Title, s.sums[i], sig.Checksum)
		}
	}
	return nil
}

func (s *segment) close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	s.files = nil
	return errors.Join(errs...)
}
