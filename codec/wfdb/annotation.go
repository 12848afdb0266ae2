package wfdb

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// An Annotation marks a sample.
type Annotation struct {
	Sample  int64 // index of the frame, in the annotation file's time resolution
	Code    Code
	Subtype int8
	Channel uint8
	Number  int8
	Text    string // the AUX field: a rhythm such as "(AFIB", or a note
}

// An AnnotationFile is what a file such as NAME.atr says.
type AnnotationFile struct {
	// Frequency is the time resolution of Sample in 1/s; 0 means that of the
	// record.
	Frequency   float64
	Annotations []Annotation
}

// The pseudo codes that carry no annotation of their own (annot(5)).
const (
	codeSkip    = 59
	codeNumber  = 60
	codeSubtype = 61
	codeChannel = 62
	codeText    = 63
)

// ReadAnnotations reads DIR/NAME.EXT, with EXT such as "atr".
func ReadAnnotations(fsys fs.FS, name, ext string) (*AnnotationFile, error) {
	b, err := fs.ReadFile(fsys, strings.TrimSuffix(name, ".hea")+"."+ext)
	if err != nil {
		return nil, fmt.Errorf("read annotations: %w", err)
	}
	a, err := ParseAnnotations(b)
	if err != nil {
		return nil, fmt.Errorf("read annotations %s.%s: %w", name, ext, err)
	}
	return a, nil
}

// ParseAnnotations reads an annotation file of the MIT format.
func ParseAnnotations(b []byte) (*AnnotationFile, error) {
	p := annotationParser{b: b}
	for p.step() {
	}
	if p.err != nil {
		return nil, fmt.Errorf("byte %d: %w", p.at, p.err)
	}
	return p.finish(), nil
}

type annotationParser struct {
	b       []byte
	at      int
	time    int64
	channel uint8
	number  int8
	out     []Annotation
	err     error
}

// step reads one word and what belongs to it; it returns false at the end.
func (p *annotationParser) step() bool {
	if p.at+2 > len(p.b) {
		return false
	}
	w := binary.LittleEndian.Uint16(p.b[p.at:])
	if w == 0 {
		return false
	}
	p.at += 2
	code, low := int(w>>10), w&0x3ff
	if code < codeSkip {
		p.time += int64(low)
		p.out = append(p.out, Annotation{Sample: p.time, Code: Code(code), Channel: p.channel, Number: p.number}) // #nosec G115 -- six bits
		return true
	}
	return p.modify(code, low)
}

// modify reads a pseudo annotation; all but SKIP belong to the annotation
// before them.
func (p *annotationParser) modify(code int, low uint16) bool {
	if code == codeSkip {
		if p.at+4 > len(p.b) {
			p.err = fmt.Errorf("the file ends in a skip")
			return false
		}
		high, low := binary.LittleEndian.Uint16(p.b[p.at:]), binary.LittleEndian.Uint16(p.b[p.at+2:])
		p.time += int64(int32(uint32(high)<<16 | uint32(low))) // #nosec G115 -- two's complement
		p.at += 4
		return true
	}
	var text string
	if code == codeText {
		n := int(low)
		if p.at+n > len(p.b) {
			p.err = fmt.Errorf("the file ends in a text")
			return false
		}
		text = strings.TrimRight(string(p.b[p.at:p.at+n]), "\x00")
		p.at += n + n&1
	}
	if len(p.out) == 0 {
		p.err = fmt.Errorf("a field before the first annotation")
		return false
	}
	last := &p.out[len(p.out)-1]
	switch code {
	case codeNumber:
		p.number = int8(low) // #nosec G115 -- the low 8 bits are meant
		last.Number = p.number
	case codeSubtype:
		last.Subtype = int8(low) // #nosec G115 -- the low 8 bits are meant
	case codeChannel:
		p.channel = uint8(low) // #nosec G115 -- the low 8 bits are meant
		last.Channel = p.channel
	case codeText:
		last.Text = strings.ToValidUTF8(text, "�")
	}
	return true
}

// finish takes the notes out that describe the file and not the record.
func (p *annotationParser) finish() *AnnotationFile {
	f := &AnnotationFile{}
	for _, a := range p.out {
		if a.Sample == 0 && a.Code == Note && strings.HasPrefix(a.Text, "## ") {
			if t, ok := strings.CutPrefix(a.Text, "## time resolution: "); ok {
				if v, err := strconv.ParseFloat(strings.TrimSpace(t), 64); err == nil && v > 0 && v < 1e9 {
					f.Frequency = v
				}
			}
			continue
		}
		f.Annotations = append(f.Annotations, a)
	}
	return f
}
