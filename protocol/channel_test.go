package protocol_test

import (
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/protocol"
)

func TestNames(t *testing.T) {
	for text, want := range map[string][2]bool{
		"": {true, true}, "ecg": {true, true}, "a/b é": {true, true}, "a+b": {false, true}, "#": {false, true},
		"a\nb": {false, false}, "\x7f": {false, false}, "\xff": {false, false}, strings.Repeat("x", 129): {false, true},
		strings.Repeat("x", 256): {false, false},
	} {
		for i, err := range []error{protocol.CheckChannel(text), protocol.CheckID(text)} {
			if (err == nil) != want[i] || (err != nil && vigil.KindOf(err) != vigil.Invalid) {
				t.Errorf("%q, check %d: %v", text, i, err)
			}
		}
	}
}
