package reading

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"sync"

	"github.com/vigil-iomt/vigil"
)

// An identity is everything that finds a projected Observation again. It fits
// one block of AES, and its encryption is the Observation's id.
type identity struct {
	// series is that of the reading; of a panel its own number (see panelID),
	// unless the parts have keys of their own: then that of its first part.
	series      vigil.SeriesID
	key         uint64 // of a wave, the start of the block
	kind        vigil.KeyKind
	conflict    uint8 // of a wave, counts blocks with the same start
	attribution uint8
	panel       bool
}

// seriesBits is how many bits of a series number the short form of an id has
// room for; it has 4 bits each for conflict and attribution. What does not fit
// takes the long form, of two blocks.
const seriesBits = 53

// The lengths of an id in either form.
const (
	shortID = 26
	longID  = 52
)

// idText is lower-case base32 without padding: a FHIR id.
func idText() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

// appendID appends the id of x. It works in the memory of dst: what is handed to
// a cipher would be allocated.
func (s *Source) appendID(dst []byte, x identity) []byte {
	series := uint64(x.series) // #nosec G115 -- the bits
	kind := uint64(x.kind & 3)
	if x.panel {
		kind |= 4
	}
	start := len(dst)
	short := series < 1<<seriesBits && x.conflict < 16 && x.attribution < 16
	if short {
		dst = binary.BigEndian.AppendUint64(dst, series<<11|kind<<8|uint64(x.conflict)<<4|uint64(x.attribution))
	} else {
		dst = binary.BigEndian.AppendUint64(dst, series)
	}
	dst = binary.BigEndian.AppendUint64(dst, x.key)
	s.ids.Encrypt(dst[start:], dst[start:])
	if !short {
		dst = append(dst, byte(kind), x.conflict, x.attribution, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		first, second := dst[start:start+16], dst[start+16:]
		subtle.XORBytes(second, second, first)
		s.ids.Encrypt(second, second)
	}
	raw := len(dst) - start
	dst = s.text.AppendEncode(dst, dst[start:])
	return append(dst[:start], dst[start+raw:]...)
}

// parseID is the way back. It is not ok for a text that no identity has as its
// id. A text that was made up may pass, and then finds no series.
func (s *Source) parseID(id string) (identity, bool) {
	var b [40]byte
	if len(id) != shortID && len(id) != longID {
		return identity{}, false
	}
	n, err := s.text.Decode(b[:], []byte(id))
	if err != nil {
		return identity{}, false
	}
	var x identity
	if n == 16 {
		s.ids.Decrypt(b[:16], b[:16])
		v := binary.BigEndian.Uint64(b[:])
		x = identity{series: vigil.SeriesID(v >> 11), conflict: uint8(v >> 4 & 15), attribution: uint8(v & 15)} // #nosec G115 -- 53 bits
		x.kind, x.panel = vigil.KeyKind(v>>8&3), v>>8&4 != 0
	} else {
		var second [16]byte
		s.ids.Decrypt(second[:], b[16:32])
		subtle.XORBytes(second[:], second[:], b[:16])
		s.ids.Decrypt(b[:16], b[:16])
		x = identity{series: vigil.SeriesID(binary.BigEndian.Uint64(b[:])), conflict: second[1], attribution: second[2]} // #nosec G115 -- the bits
		x.kind, x.panel = vigil.KeyKind(second[0]&3), second[0]&4 != 0
	}
	x.key = binary.BigEndian.Uint64(b[8:16])
	return x, string(s.appendID(nil, x)) == id
}

// ObservationID returns the id of the Observation in which a point of a series
// appears: its own, or that of its panel. It is the id that the JSON API uses
// for readings, too.
func (s *Source) ObservationID(series vigil.SeriesID, p vigil.Point) string {
	x := identity{series: series, key: p.Key, kind: p.KeyKind, conflict: p.Conflict, attribution: p.Attribution}
	panel := s.panelOf(series)
	if period := s.panels.periodOf(series); period > 0 {
		x = identity{series: series, key: uint64(floor(p.Taken, period)), kind: vigil.KeyTime} // #nosec G115 -- wraps on purpose
	}
	if panel != 0 {
		x.panel = true
		if !ownKeys(p.KeyKind) {
			x.series = panel
		}
	}
	return string(s.appendID(nil, x))
}

// ownKeys tells whether each part of a panel may have a key of its own, because
// the key is a position in the journal.
func ownKeys(k vigil.KeyKind) bool { return k == vigil.KeyPosition || k == vigil.KeyMessage }

// panelID numbers a panel of a subject from a device. It is made like the ids
// of series are, from what makes it that panel, so that a part that is first
// seen later changes nothing.
func panelID(s vigil.Series) vigil.SeriesID {
	var b []byte
	for _, t := range [...]string{"panel", s.Subject.String(), string(s.Device), s.Channel, s.Metric.Panel.Name} {
		b = append(binary.AppendUvarint(b, uint64(len(t))), t...)
	}
	sum := sha256.Sum256(b)
	return vigil.SeriesID(binary.BigEndian.Uint64(sum[:]) >> (64 - seriesBits)) // #nosec G115 -- 53 bits
}

// panels remembers which series make which panel.
type panels struct {
	mu sync.Mutex
	of map[vigil.SeriesID]vigil.SeriesID // panel of a part; 0 for none
	in map[vigil.SeriesID]vigil.SeriesID // a part of each panel
	// periods are those of series whose readings a mapping puts together.
	periods map[vigil.SeriesID]vigil.Instant
}

// periodOf returns over which time the readings of a series make one
// Observation; 0 when each is one.
func (p *panels) periodOf(id vigil.SeriesID) vigil.Instant {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.periods[id]
}

// note remembers the panel of a group.
func (p *panels) note(g *group) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range g.parts {
		if g.period > 0 {
			p.periods[s.ID] = g.period
		}
		if g.panel == nil {
			p.of[s.ID] = 0
		} else {
			p.of[s.ID], p.in[g.id] = g.id, s.ID
		}
	}
}

// panelOf returns the panel that a series belongs to, 0 for none.
func (s *Source) panelOf(id vigil.SeriesID) vigil.SeriesID {
	s.panels.mu.Lock()
	panel, ok := s.panels.of[id]
	s.panels.mu.Unlock()
	if ok {
		return panel
	}
	g, err := s.groupOf(context.Background(), id)
	if err != nil || g.panel == nil {
		return 0
	}
	return g.id
}

// partOf returns a series that belongs to a panel. One that nobody has asked
// for since the start is looked for among all series.
func (s *Source) partOf(ctx context.Context, panel vigil.SeriesID) (vigil.SeriesID, error) {
	find := func() vigil.SeriesID {
		s.panels.mu.Lock()
		defer s.panels.mu.Unlock()
		return s.panels.in[panel]
	}
	if id := find(); id != 0 {
		return id, nil
	}
	all, err := s.c.Readings.Series(ctx, vigil.SeriesQuery{})
	if err != nil {
		return 0, err
	}
	for _, g := range groupSeries(all) {
		if g.panel != nil {
			s.panels.note(g)
		}
	}
	if id := find(); id != 0 {
		return id, nil
	}
	return 0, noObservation()
}

// trimMarks takes away what stands before an identity in an id.
func trimMarks(id string) string {
	id = strings.TrimPrefix(id, provenanceMark)
	if rest, ok := strings.CutPrefix(id, eventMark); ok {
		_, id, _ = strings.Cut(rest, "-")
	}
	return id
}
