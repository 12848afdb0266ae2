package httpin

import (
	"bytes"
	"errors"
	"io"
)

const (
	// block is how much is read at a time. Lines are cut out of blocks without
	// being copied, and a block is never written to again: payloads may be kept.
	block = 64 << 10
	// ahead is how much room must be left in a block to go on filling it.
	ahead = 4 << 10
)

// lines cuts a stream into lines.
type lines struct {
	r    io.Reader
	buf  []byte // unread bytes of the current block, with room behind
	max  int    // the longest line
	n    int    // number of the last line, from 1
	err  error
	skip bool // the rest of a line that was too long
}

// next returns the next line without its end, and whether it was too long: then
// only its beginning is returned. The error is io.EOF at the end.
func (l *lines) next() (line []byte, long bool, err error) {
	for {
		if i := bytes.IndexByte(l.buf, '\n'); i >= 0 {
			line, l.buf = l.buf[:i:i], l.buf[i+1:]
			if l.skip {
				l.skip = false
				continue
			}
			l.n++
			return line, len(line) > l.max, nil
		}
		if l.skip {
			l.buf = l.buf[len(l.buf):]
		}
		if len(l.buf) > l.max {
			line, l.buf = l.buf, nil
			l.skip = true
			l.n++
			return line, true, nil
		}
		if l.err != nil {
			return l.last()
		}
		l.fill()
	}
}

// last returns what stands behind the last line end.
func (l *lines) last() (line []byte, long bool, err error) {
	if len(l.buf) > 0 && errors.Is(l.err, io.EOF) {
		line, l.buf = l.buf, nil
		l.n++
		return line, false, nil
	}
	return nil, false, l.err
}

// fill reads on, in a new block when the old one is full.
func (l *lines) fill() {
	if cap(l.buf)-len(l.buf) < ahead {
		size := block
		for size < 2*len(l.buf) {
			size *= 2
		}
		l.buf = append(make([]byte, 0, size), l.buf...)
	}
	n, err := l.r.Read(l.buf[len(l.buf):cap(l.buf)])
	l.buf = l.buf[:len(l.buf)+n]
	l.err = err
}
