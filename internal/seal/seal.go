// Package seal is the one place that everything on its way to disk passes:
// journal sections, series chunks, waves, events, quarantined messages and
// documents. Today it writes key 0, which leaves the bytes readable; per-subject
// keys take its place without a change of format.
package seal

import (
	"errors"
	"fmt"
)

// A Sealer turns plain bytes into bytes at rest and back.
type Sealer interface {
	// Seal appends the sealed form of plain to dst. The subject, such as
	// "patient/018f…" or "system", decides the key.
	Seal(dst []byte, subject string, plain []byte) []byte
	// Open appends the plain form of sealed to dst.
	Open(dst []byte, sealed []byte) ([]byte, error)
}

// version is the first byte of everything sealed.
const version = 1

// Plain is the sealer with key 0: a version byte, a key id of 0, the bytes.
type Plain struct{}

// ErrFormat is returned for bytes that no sealer wrote.
var ErrFormat = errors.New("not sealed by vigil")

// Seal appends version, key id 0 and plain.
func (Plain) Seal(dst []byte, _ string, plain []byte) []byte {
	return append(append(dst, version, 0), plain...)
}

// Open checks version and key id and appends the bytes behind them.
func (Plain) Open(dst []byte, sealed []byte) ([]byte, error) {
	if len(sealed) < 2 {
		return nil, ErrFormat
	}
	if sealed[0] != version {
		return nil, fmt.Errorf("%w: version %d, this program knows %d", ErrFormat, sealed[0], version)
	}
	if sealed[1] != 0 {
		return nil, fmt.Errorf("open sealed bytes: key %d is not here", sealed[1])
	}
	return append(dst, sealed[2:]...), nil
}
