package store

import (
	"bytes"
	"testing"

	"github.com/vigil-iomt/vigil"
)

// FuzzHeads reads any bytes as the heads of a series: they are refused, or they
// are written again as they were understood.
func FuzzHeads(f *testing.F) {
	run := encode([]vigil.Point{{Taken: 1, Value: 2, Key: 3, Version: 1}, {Taken: 5, Value: 2, Key: 9, Version: 1}})
	f.Add(appendHeads(nil, []block{run, run}, nil))
	f.Add(appendHeads(nil, nil, []block{run}))
	f.Add([]byte{headV1, 0, 0})
	f.Add([]byte{headV1, 255, 255, 255, 255, 15, 1})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		open, late, err := readHeads(b)
		if err != nil {
			return
		}
		once := appendHeads(nil, open.runs, late.runs)
		open, late, err = readHeads(once)
		if err != nil || !bytes.Equal(once, appendHeads(nil, open.runs, late.runs)) {
			t.Errorf("%x became %x, %v", b, once, err)
		}
	})
}
