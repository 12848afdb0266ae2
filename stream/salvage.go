package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/vigil-iomt/vigil"
)

// The server gives no message whose own checksum does not match. What of such a
// frame still reads, and whose records are lost, is found in its files: blocks
// of records of
//
//	4  length of the record; the highest bit: it has a header
//	8  sequence
//	8  time, nanoseconds
//	2  length of the subject, and the subject
//	   with a header: 4 length of the header, and the header
//	   the message
//	8  checksum
//
// (nats-server 2.15.2, server/filestore.go, msgFromBufEx), little-endian.
const (
	blockHead     = 22
	blockHeader   = 1 << 31
	blockChecksum = 8
)

var (
	errDropped   = errors.New("the server's checksum of the frame does not match; the frame itself is sound")
	errNoSalvage = errors.New("the frame is not in the server's files")
)

// salvage returns what can be read of a frame that the server no longer gives,
// and what is wrong with it, if anything is.
func (p *partition) salvage(d *decoder, seq uint64) (vigil.Frame, *DamagedError) {
	f := vigil.Frame{Partition: p.number, Seq: seq}
	b, aside, err := p.dig(seq)
	if err != nil {
		return f, &DamagedError{Partition: p.number, Seq: seq, Last: seq, Whole: true, Err: errLost}
	}
	h, recs, dam := d.frame(b, p.j.c.Sealer)
	if dam == nil || !dam.whole {
		f.At, f.Records = h.at, recs
	}
	if dam == nil && aside {
		return f, nil // only its neighbour was damaged
	}
	if dam == nil {
		dam = &damage{err: errDropped}
	}
	return f, &DamagedError{Partition: p.number, Seq: seq, Last: seq, At: f.At, Whole: dam.whole, Lost: dam.lost, Err: dam.err}
}

// dig finds the bytes of a frame in the embedded server's files, or in what was
// copied aside of them.
func (p *partition) dig(seq uint64) (frame []byte, aside bool, err error) {
	if p.j.server == nil {
		return nil, false, errNoSalvage
	}
	files, err := filepath.Glob(filepath.Join(blocksDir(p.j.c.Dir, p.number), "*.blk"))
	if err != nil {
		return nil, false, err
	}
	for _, file := range likely(files, seq) {
		b, err := os.ReadFile(file) // #nosec G304 -- the journal's own folder
		if err != nil {
			continue
		}
		if frame := frameIn(b, seq, frameSubject(p.number)); frame != nil {
			return frame, false, nil
		}
	}
	if frame := p.digAside(seq); frame != nil {
		return frame, true, nil
	}
	return nil, false, errNoSalvage
}

// likely returns the files that may hold seq, likeliest first: the one that
// begins at the greatest sequence not above it, and those around it, in case
// that its beginning is what is damaged.
func likely(files []string, seq uint64) []string {
	type block struct {
		file  string
		first uint64
	}
	var blocks []block
	for _, name := range files {
		if first, ok := firstIn(name); ok {
			blocks = append(blocks, block{name, first})
		}
	}
	slices.SortFunc(blocks, func(a, b block) int {
		switch {
		case a.first < b.first:
			return -1
		case a.first > b.first:
			return 1
		}
		return 0
	})
	at := len(blocks) - 1
	for at > 0 && blocks[at].first > seq {
		at--
	}
	var out []string
	for _, i := range []int{at, at - 1, at + 1} {
		if i >= 0 && i < len(blocks) {
			out = append(out, blocks[i].file)
		}
	}
	return out
}

// firstIn returns the sequence of the first record of a file.
func firstIn(name string) (uint64, bool) {
	f, err := os.Open(name) // #nosec G304 -- the journal's own folder
	if err != nil {
		return 0, false
	}
	defer func() { _ = f.Close() }()
	var b [blockHead]byte
	if _, err := f.ReadAt(b[:], 0); err != nil {
		return 0, false
	}
	return binary.LittleEndian.Uint64(b[4:]), true
}

// frameIn finds the message with a sequence and a subject in the bytes of a
// file, nil when it is not there.
func frameIn(b []byte, seq uint64, subject string) []byte {
	le := binary.LittleEndian
	want := le.AppendUint64(nil, seq)
	for from := 0; ; {
		i := bytes.Index(b[from:], want)
		if i < 0 {
			return nil
		}
		at := from + i - 4 // where the record begins
		from += i + 1
		if at < 0 || at+blockHead+len(subject) > len(b) || int(le.Uint16(b[at+20:])) != len(subject) ||
			string(b[at+blockHead:at+blockHead+len(subject)]) != subject {
			continue
		}
		size := le.Uint32(b[at:])
		end := min(at+int(size&^blockHeader), len(b)) - blockChecksum
		body := at + blockHead + len(subject)
		if size&blockHeader != 0 && body+4 <= end {
			body += 4 + int(le.Uint32(b[body:]))
		}
		if body < end {
			frame := b[body:end]
			return frame[:ownLength(frame)]
		}
	}
}

// ownLength returns how long a frame is as it says itself, in case that the
// length of the record around it is what was damaged; all of it when that does
// not read.
func ownLength(f []byte) int {
	if len(f) < headerLen {
		return len(f)
	}
	le := binary.LittleEndian
	at := headerLen + int(le.Uint32(f[offDict:])) + int(le.Uint32(f[offDirectory:]))
	for range le.Uint32(f[offSections:]) {
		if at+sectionHead > len(f) {
			return len(f)
		}
		at += sectionHead + int(le.Uint32(f[at:]))
	}
	return min(at, len(f))
}

// missing reports the frames that the server knows it has lost: our streams
// never delete in their middle.
func (p *partition) missing(st jetstream.StreamState) error {
	if st.Msgs == 0 || st.Msgs == st.LastSeq-st.FirstSeq+1 {
		return nil
	}
	info, err := p.stream.Info(p.j.ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return p.j.readError(err)
	}
	d := newDecoder(p.j.symbols)
	return p.mourn(d, info.State.Deleted, func(vigil.Frame) error { return nil })
}

// mourn reports frames that the server no longer gives and hands on what could
// be saved of each. Neighbours of which nothing could be saved are reported as
// one range.
func (p *partition) mourn(d *decoder, seqs []uint64, hand func(vigil.Frame) error) error {
	var run *DamagedError
	flush := func() {
		if run != nil {
			p.j.report(run)
			run = nil
		}
	}
	defer flush()
	for _, seq := range seqs {
		f, dam := p.salvage(d, seq)
		switch {
		case dam == nil:
			flush()
		case !errors.Is(dam.Err, errLost):
			flush()
			p.j.report(dam)
		case run != nil && run.Last+1 == seq:
			run.Last = seq
		default:
			flush()
			run = dam
		}
		if err := hand(f); err != nil {
			return err
		}
	}
	return nil
}

// fill writes the frames that are missing up to a sequence: those that could be
// saved as they were, and for the others frames that say "lost".
func (p *partition) fill(last uint64) error {
	d := newDecoder(p.j.symbols)
	var lost *DamagedError
	tell := func() {
		if lost != nil {
			p.j.report(lost)
			lost = nil
		}
	}
	defer tell()
	for seq := p.expected + 1; seq <= last; seq++ {
		frame, _, err := p.dig(seq)
		if err == nil && len(frame) <= p.j.recordMax+frameRoom { // else it is no frame of ours
			tell()
			if _, damaged := p.decode(d, raw{seq: seq, at: p.j.c.Now(), data: frame}); damaged != nil {
				p.j.report(damaged) // whose records are lost, before anybody asks
			}
		} else {
			if lost == nil {
				lost = &DamagedError{Partition: p.number, Seq: seq, Whole: true, Err: errLost}
			}
			lost.Last = seq
			p.pack.begin()
			frame = p.pack.finish(frameHead{
				flags: flagLost, partition: p.number, producer: p.j.producer, first: p.next, at: vigil.InstantOf(p.j.c.Now()),
			})
		}
		got, err := p.publish(frame, p.next)
		if err != nil {
			return err
		}
		p.next++
		p.setHead(got)
	}
	return nil
}
