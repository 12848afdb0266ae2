package chunk

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPackedBitsComeBack packs as many values of every width as a block may
// hold, at the very end of a chunk and in front of other bytes.
func TestPackedBitsComeBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for width := uint(1); width <= 64; width++ {
		for n := 1; n <= blockLen; n++ {
			want := make([]uint64, n)
			for i := range want {
				want[i] = rng.Uint64() >> (64 - width)
			}
			packed := pack(nil, want, width)
			for _, behind := range [][]byte{nil, {0xff}, bytes.Repeat([]byte{0xff}, 9)} {
				got := make([]int64, n)
				rest, err := unpack(got, slices.Concat(packed, behind), width)
				if err != nil || !bytes.Equal(rest, behind) {
					t.Fatalf("%d values of %d bits: %x is behind them, want %x (%v)", n, width, rest, behind, err)
				}
				for i := range got {
					if uint64(got[i]) != want[i] {
						t.Fatalf("value %d of %d, %d bits: %x, want %x", i, n, width, got[i], want[i])
					}
				}
			}
			if _, err := unpack(make([]int64, n), packed[:len(packed)-1], width); err == nil {
				t.Fatalf("%d values of %d bits were read from too few bytes", n, width)
			}
		}
	}
}
