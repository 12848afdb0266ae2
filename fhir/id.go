package fhir

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// An identity is everything that finds a projected Observation again. It fits
// one block of AES, and its encryption is the Observation's id.
type identity struct {
	series      vigil.SeriesID // of the reading; of a panel, its part with the smallest id
	key         uint64
	kind        vigil.KeyKind
	conflict    uint8
	attribution uint8
	panel       bool
	// wave: the key is the start of the block, conflict counts blocks with the
	// same start.
	wave bool
}

// The flags in the first byte, above the kind of the key; the highest bits are
// the version of the layout, 0.
const (
	idWave   = 1 << 3
	idPanel  = 1 << 4
	idKinds  = 1<<3 - 1
	idKnown  = idPanel | idWave | idKinds
	seriesID = 1<<40 - 1 // series ids have 40 bits
)

// idText is lower-case base32, 26 characters for 16 bytes: a FHIR id.
func idText() *base32.Encoding {
	return base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
}

// appendID appends the id of x.
func (h *Handler) appendID(dst []byte, x identity) []byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(x.series)&seriesID) // #nosec G115 -- given from 1 up
	binary.BigEndian.PutUint64(b[8:], x.key)
	b[0] = byte(x.kind) & idKinds
	if x.wave {
		b[0] |= idWave
	}
	if x.panel {
		b[0] |= idPanel
	}
	b[1], b[2] = x.conflict, x.attribution
	h.ids.Encrypt(b[:], b[:])
	return h.text.AppendEncode(dst, b[:])
}

// parseID is the way back. It is not ok for a text that is no id of ours; a
// text that was made up passes with a probability of 1 in 8, and then finds no
// series.
func (h *Handler) parseID(s string) (identity, bool) {
	var b [20]byte
	if len(s) != 26 || s != strings.ToLower(s) {
		return identity{}, false
	}
	n, err := h.text.Decode(b[:], []byte(s))
	if err != nil || n != 16 || h.text.EncodeToString(b[:16]) != s {
		return identity{}, false
	}
	h.ids.Decrypt(b[:16], b[:16])
	x := identity{
		kind: vigil.KeyKind(b[0] & idKinds), wave: b[0]&idWave != 0, panel: b[0]&idPanel != 0,
		conflict: b[1], attribution: b[2], key: binary.BigEndian.Uint64(b[8:16]),
	}
	x.series = vigil.SeriesID(binary.BigEndian.Uint64(b[:8]) & seriesID) // #nosec G115 -- 40 bits
	return x, b[0]&^idKnown == 0 && x.kind <= vigil.KeyMessage
}

// ObservationID returns the id of the Observation in which a point of a series
// appears: its own, or that of its panel. It is the id that the JSON API uses
// for readings, too.
func (h *Handler) ObservationID(series vigil.SeriesID, p vigil.Point) string {
	x := identity{series: series, key: p.Key, kind: p.KeyKind, conflict: p.Conflict, attribution: p.Attribution}
	if anchor := h.anchor(series); anchor != 0 {
		x.panel = true
		if !ownKeys(p.KeyKind) {
			x.series = anchor
		}
	}
	return string(h.appendID(nil, x))
}

// ownKeys tells whether each part of a panel may have a key of its own, because
// the key is a position in the journal.
func ownKeys(k vigil.KeyKind) bool { return k == vigil.KeyPosition || k == vigil.KeyMessage }

// anchor returns the first series of the panel that a series belongs to, 0 for
// a series without a panel. The first stays the first: ids only grow.
func (h *Handler) anchor(id vigil.SeriesID) vigil.SeriesID {
	h.mu.Lock()
	a, ok := h.anchors[id]
	h.mu.Unlock()
	if ok {
		return a
	}
	g, err := h.groupOf(context.Background(), id)
	if err != nil {
		return 0
	}
	if g.panel != nil {
		a = g.parts[0].ID
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.anchors[id] = a
	return a
}
