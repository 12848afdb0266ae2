package stream

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/vigil-iomt/vigil"
)

// A symbol stands for something that most records repeat and that says nothing
// about a patient: a metric, the name of a profile or of a protocol. Records
// name it by number, and the dictionary of the frame says what the number
// means, so that every frame can be read by itself.
type symbol struct {
	id     uint32
	metric *vigil.Metric // nil for a word
	word   string
	entry  []byte // as it stands in the dictionary
}

// The kinds of symbol. Their values are on disk: never renumber.
const (
	symMetric = 1
	symWord   = 2
)

const (
	symbolsMax  = 1 << 18 // metrics and words of one journal, all profiles ever loaded included
	symWordsMax = 1 << 12 // words beyond stand in the record itself
	pointersMax = 1 << 16 // metric pointers remembered; profiles that are reloaded make new ones
)

// symbols gives numbers to metrics and words, and one pointer to all equal
// metrics. It is shared by everything that encodes and decodes in a journal.
type symbols struct {
	pointers sync.Map // *vigil.Metric → *symbol
	names    sync.Map // string → *symbol
	entries  sync.Map // string(entry) → *symbol

	mu       sync.Mutex
	list     []*symbol // by id; 0 is nobody
	npointer int
	nword    int
}

var errSymbols = errors.New("too many different metrics")

func newSymbols() *symbols { return &symbols{list: make([]*symbol, 1, 64)} }

// metric returns the symbol of m, by pointer first and by content second.
func (t *symbols) metric(m *vigil.Metric) (*symbol, error) {
	if s, ok := t.pointers.Load(m); ok {
		return s.(*symbol), nil
	}
	s, err := t.enter(appendMetric([]byte{symMetric}, m), m, "")
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.npointer >= pointersMax {
		t.pointers.Clear()
		t.npointer = 0
	}
	t.pointers.Store(m, s)
	t.npointer++
	return s, nil
}

// word returns the symbol of a short word, nil when it is empty, long, or there
// are too many.
func (t *symbols) word(w string) *symbol {
	if w == "" || len(w) > wordMax {
		return nil
	}
	if s, ok := t.names.Load(w); ok {
		return s.(*symbol)
	}
	t.mu.Lock()
	full := t.nword >= symWordsMax
	t.mu.Unlock()
	if full {
		return nil
	}
	s, err := t.enter(appendText([]byte{symWord}, w), nil, w)
	if err != nil {
		return nil
	}
	t.names.Store(w, s)
	return s
}

// enter returns the symbol with the entry, a new one when there is none.
func (t *symbols) enter(entry []byte, m *vigil.Metric, word string) (*symbol, error) {
	if s, ok := t.entries.Load(string(entry)); ok {
		return s.(*symbol), nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if s, ok := t.entries.Load(string(entry)); ok {
		return s.(*symbol), nil
	}
	if len(t.list) >= symbolsMax {
		return nil, errSymbols
	}
	s := &symbol{id: uint32(len(t.list)), metric: m, word: word, entry: entry} // #nosec G115 -- below symbolsMax
	t.list = append(t.list, s)
	if m == nil {
		t.nword++
	}
	t.entries.Store(string(entry), s)
	return s, nil
}

// get returns the symbol with a number that this table gave.
func (t *symbols) get(id uint32) *symbol {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list[id]
}

// read returns what a dictionary's entry means: the known metric that is equal
// to it, or a new one.
func (t *symbols) read(entry []byte) (*symbol, error) {
	if s, ok := t.entries.Load(string(entry)); ok {
		return s.(*symbol), nil
	}
	r := reader{b: entry, words: newWords()}
	var m *vigil.Metric
	var word string
	switch kind := r.byte(); kind {
	case symMetric:
		m = readMetric(&r)
	case symWord:
		word = r.text()
	default:
		return nil, errSymbolKind
	}
	if r.bad || len(r.b) > 0 {
		return nil, errSymbolKind
	}
	s, err := t.enter(append([]byte(nil), entry...), m, word)
	if err != nil { // still readable, only no longer shared
		return &symbol{metric: m, word: word}, nil
	}
	return s, nil
}

var errSymbolKind = errors.New("an entry of the dictionary that this program does not know")

// codeSystems are the code systems that take one byte. Their order is on disk:
// only append.
func codeSystems() [4]string {
	return [...]string{vigil.LOINC, vigil.MDC, vigil.SNOMED, vigil.UCUM}
}

func appendCodes(dst []byte, codes []vigil.Code) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(codes)))
	for _, c := range codes {
		n := byte(0)
		for i, s := range codeSystems() {
			if s == c.System {
				n = byte(i + 1) // #nosec G115 -- four
			}
		}
		dst = append(dst, n)
		if n == 0 {
			dst = appendText(dst, c.System)
		}
		dst = appendText(dst, c.Value)
		dst = appendText(dst, c.Display)
	}
	return dst
}

func readCodes(r *reader) []vigil.Code {
	n := r.count(3)
	if n == 0 {
		return nil
	}
	codes := make([]vigil.Code, n)
	systems := codeSystems()
	for i := range codes {
		switch k := int(r.byte()); {
		case k == 0:
			codes[i].System = r.word()
		case k <= len(systems):
			codes[i].System = systems[k-1]
		default:
			r.fail()
			return nil
		}
		codes[i].Value = r.word()
		codes[i].Display = r.word()
	}
	return codes
}

func appendMetric(dst []byte, m *vigil.Metric) []byte {
	dst = appendText(dst, m.Name)
	dst = appendText(dst, m.Title)
	dst = appendText(dst, m.Unit)
	dst = appendText(dst, m.Category)
	dst = append(dst, byte(m.Decimals)) // #nosec G115 -- two's complement, read back the same way
	dst = binary.AppendVarint(dst, m.Cadence)
	dst = binary.AppendVarint(dst, m.Silence)
	dst = binary.AppendVarint(dst, m.RateNum)
	dst = binary.AppendVarint(dst, m.RateDen)
	dst = appendCodes(dst, m.Codes)
	if m.Panel == nil {
		return append(dst, 0)
	}
	dst = appendText(append(dst, 1), m.Panel.Name)
	return appendCodes(dst, m.Panel.Codes)
}

func readMetric(r *reader) *vigil.Metric {
	m := &vigil.Metric{
		Name: r.text(), Title: r.text(), Unit: r.text(), Category: r.text(),
		Decimals: int8(r.byte()), // #nosec G115 -- two's complement
		Cadence:  r.varint(), Silence: r.varint(), RateNum: r.varint(), RateDen: r.varint(),
	}
	m.Codes = readCodes(r)
	switch r.byte() {
	case 0:
	case 1:
		m.Panel = &vigil.Panel{Name: r.text(), Codes: readCodes(r)}
	default:
		r.fail()
	}
	return m
}
