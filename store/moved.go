package store

import (
	"cmp"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// MovedSince lists the reattributions that were decided, or that something
// followed, since a time, in the order of their decisions. Their readings are
// what they were, and somebody else's.
func (db *DB) MovedSince(since vigil.Instant) []vigil.Reattribution {
	all := db.moves.byDevice.Load()
	if all == nil {
		return nil
	}
	var out []vigil.Reattribution
	for _, list := range *all {
		for _, m := range list {
			if max(m.at, m.carried) >= since {
				out = append(out, vigil.Reattribution{ID: m.id, Device: m.device, During: m.during, To: m.to, At: m.at})
			}
		}
	}
	slices.SortFunc(out, func(a, b vigil.Reattribution) int { return cmp.Compare(a.At, b.At) })
	return out
}
