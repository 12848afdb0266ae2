package httpin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/vigil-iomt/vigil"
)

func FuzzEnvelope(f *testing.F) {
	for _, s := range []string{
		`{"device":"a","channel":"b","id":"c","time":"2026-01-02T03:04:05Z","payload":{"x":[1,"}"]},"historical":false}`,
		`{"payload":"a\u00e9\n"}`, `{"payload":{"base64":"AAH/"}}`, `{"payload":-1.5e3}`, `{"payload":`, `{"payload":"\`, `[]`, `{}`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := parseEnvelope(line)
		if err != nil {
			if vigil.KindOf(err) != vigil.Invalid {
				t.Errorf("error of kind %s", vigil.KindOf(err))
			}
			return
		}
		if !json.Valid(line) {
			return // what is inside of the payload is not looked at
		}
		var want struct {
			Payload json.RawMessage `json:"payload"`
			Device  string          `json:"device"`
		}
		if err := json.Unmarshal(line, &want); err != nil {
			t.Fatalf("accepted %q, encoding/json says %v", line, err)
		}
		var text string
		switch {
		case json.Unmarshal(want.Payload, &text) == nil && want.Payload[0] == '"':
			if string(e.payload) != text {
				t.Errorf("payload %q, want %q", e.payload, text)
			}
		case !bytes.Contains(want.Payload, []byte("base64")) && !bytes.Equal(e.payload, want.Payload):
			t.Errorf("payload %q, want %q", e.payload, want.Payload)
		}
		if string(e.device) != want.Device {
			t.Errorf("device %q, want %q", e.device, want.Device)
		}
	})
}

func TestLines(t *testing.T) {
	long := strings.Repeat("y", 200_000)
	text := "a\n\nbb\r\n" + long + "\nccc\n" + strings.Repeat("z", 150_000) + "\nlast"
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(text), "halves": iotest.HalfReader(strings.NewReader(text)),
		"bytes": iotest.OneByteReader(strings.NewReader(text)), "data with end": iotest.DataErrReader(strings.NewReader(text)),
	} {
		t.Run(name, func(t *testing.T) {
			l := lines{r: r, max: 160_000}
			for i, want := range []string{"a", "", "bb\r", "!", "ccc", strings.Repeat("z", 150_000), "last"} {
				line, tooLong, err := l.next()
				if err != nil || l.n != i+1 || tooLong != (want == "!") || (!tooLong && string(line) != want) {
					t.Fatalf("line %d: %.20q number %d too long %v, %v", i+1, line, l.n, tooLong, err)
				}
			}
			if _, _, err := l.next(); !errors.Is(err, io.EOF) {
				t.Errorf("at the end: %v", err)
			}
		})
	}
}
