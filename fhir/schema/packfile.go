package schema

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A pack file is magic, the number of its sections, the head of each (name,
// compressed and raw length), then their compressed bytes.
const packMagic = "VGLPACK1"

var errPack = errors.New("damaged pack of definitions")

type packFile struct {
	sections map[string]*section
}

type section struct {
	packed []byte
	raw    int
	once   sync.Once
	text   string
	err    error
}

// PackSection is a named part of a pack file.
type PackSection struct {
	Name string
	Data []byte
}

// WritePack builds a pack file; the tool that makes r4.pack calls it.
func WritePack(parts []PackSection) ([]byte, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("open compressor: %w", err)
	}
	head := binary.AppendUvarint([]byte(packMagic), uint64(len(parts)))
	var body []byte
	for _, p := range parts {
		packed := enc.EncodeAll(p.Data, nil)
		head = binary.AppendUvarint(head, uint64(len(p.Name)))
		head = append(head, p.Name...)
		head = binary.AppendUvarint(head, uint64(len(packed)))
		head = binary.AppendUvarint(head, uint64(len(p.Data)))
		body = append(body, packed...)
	}
	return append(head, body...), enc.Close()
}

func openPack(b []byte) (*packFile, error) {
	if len(b) < len(packMagic) || string(b[:len(packMagic)]) != packMagic {
		return nil, errPack
	}
	b = b[len(packMagic):]
	number := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > 1<<30 {
			b = nil
			return 0
		}
		b = b[n:]
		return v
	}
	type head struct {
		name        string
		packed, raw int
	}
	heads := make([]head, 0, 64)
	for n := number(); n > 0; n-- {
		l := int(number())
		if l == 0 || l > len(b) {
			return nil, errPack
		}
		h := head{name: string(b[:l])}
		b = b[l:]
		h.packed, h.raw = int(number()), int(number())
		heads = append(heads, h)
	}
	p := &packFile{sections: make(map[string]*section, len(heads))}
	for _, h := range heads {
		if h.packed > len(b) {
			return nil, errPack
		}
		p.sections[h.name] = &section{packed: b[:h.packed], raw: h.raw}
		b = b[h.packed:]
	}
	return p, nil
}

// text returns what a section holds; it is unpacked once.
func (p *packFile) section(name string) (string, error) {
	s := p.sections[name]
	if s == nil {
		return "", fmt.Errorf("pack of definitions has no section %s", name)
	}
	s.once.Do(func() {
		dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<28))
		if err != nil {
			s.err = err
			return
		}
		defer dec.Close()
		out, err := dec.DecodeAll(s.packed, make([]byte, 0, s.raw))
		s.text, s.err = string(out), err
	})
	return s.text, s.err
}
