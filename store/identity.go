package store

import (
	"math"

	"github.com/vigil-iomt/vigil"
)

// ownKey tells whether readings of a kind have a key that says which reading
// they are, so that one that comes again is recognised.
func ownKey(k vigil.KeyKind) bool { return k == vigil.KeyNumber || k == vigil.KeyTime }

// stands tells whether a point is what its reading says now: neither replaced
// by a newer version nor withdrawn.
func stands(p *vigil.Point) bool { return p.Quality&(superseded|vigil.EnteredInError) == 0 }

// saysSame tells whether two points carry the same value.
func saysSame(a, b *vigil.Point) bool {
	const kind = vigil.Above | vigil.Below
	if a.Quality.State() != b.Quality.State() || (a.Quality^b.Quality)&kind != 0 {
		return false
	}
	return a.Value == b.Value || math.IsNaN(a.Value) && math.IsNaN(b.Value)
}

// A verdict says what becomes of a point whose key is known already.
type verdict struct {
	repeat   bool          // it is here; drop it
	conflict bool          // it contradicts what is here
	patches  []vigil.Point // copies of points that are here, with more flags
}

// judge decides about a point that has the key of others. With a value that any
// of them had it is a repeat, however late: the original sent once more does
// not undo its correction. A correction is a repeat when the value stands, or
// came by an earlier correction; otherwise it replaces everything that stands.
// Any other value is kept beside the ones that stand, and all of them say so.
// The point's version and conflict number are set.
func judge(p *vigil.Point, known []vigil.Point, correction bool) verdict {
	var version uint16
	var conflict uint8
	var standing []vigil.Point
	for i := range known {
		k := &known[i]
		version, conflict = max(version, k.Version), max(conflict, k.Conflict)
		withdrawn := k.Quality.Has(vigil.EnteredInError) || k.Quality&superseded != 0 && withdrew(known, k)
		if stands(k) {
			standing = append(standing, *k)
		}
		if !withdrawn && saysSame(p, k) && (!correction || stands(k) || k.Version > 1) {
			return verdict{repeat: true}
		}
	}
	switch {
	case len(standing) == 0:
		p.Version, p.Conflict = version+1, 0
		return verdict{}
	case correction:
		p.Version, p.Conflict = version+1, 0
		for i := range standing {
			standing[i].Quality |= superseded
		}
		return verdict{patches: standing}
	}
	p.Version, p.Conflict = 1, conflict+1
	p.Quality |= vigil.Conflict
	var patches []vigil.Point
	for _, k := range standing {
		if !k.Quality.Has(vigil.Conflict) {
			k.Quality |= vigil.Conflict
			patches = append(patches, k)
		}
	}
	return verdict{conflict: true, patches: patches}
}

// withdrew tells whether a superseded point was replaced by its withdrawal.
func withdrew(known []vigil.Point, p *vigil.Point) bool {
	for i := range known {
		k := &known[i]
		if k.Conflict == p.Conflict && k.Version == p.Version+1 && k.Quality.Has(vigil.EnteredInError) {
			return true
		}
	}
	return false
}

// put adds a point that was judged new, and keeps the summary of its series.
func (sh *shard) put(s *series, p vigil.Point, epoch uint32) error {
	if ownKey(p.KeyKind) {
		s.kmax = max(s.kmax, p.Key)
	}
	if p.Taken < s.sealed {
		s.lateAt = epoch
	}
	sh.mark(s, epoch)
	s.note(&p)
	return sh.add(s, p)
}

// note keeps the newest standing point of a series.
func (s *series) note(p *vigil.Point) {
	if s.stale {
		s.changes++ // whoever searches for the newest has to look again
	}
	same := s.hasLatest && order(p, &s.latest) == 0
	switch {
	case same && !stands(p):
		s.stale = true
		s.changes++
	case same:
		s.latest.Quality |= p.Quality
		s.changes++
	case stands(p) && (s.stale && s.hasLatest && p.Taken >= s.latest.Taken ||
		!s.stale && (!s.hasLatest || order(p, &s.latest) > 0)):
		s.latest, s.hasLatest, s.stale = *p, true, false
		s.changes++
	}
}
