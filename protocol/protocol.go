// Package protocol says what every wire has in common: a Driver terminates a
// protocol, authenticates the device, hands each message to the sink, and
// acknowledges only what the sink called safe.
package protocol

import (
	"context"

	"github.com/vigil-iomt/vigil"
)

// A Driver serves one protocol until ctx is done. It returns nil after an
// orderly stop: no new messages are taken, and every message that was taken is
// acknowledged or refused first.
type Driver interface {
	Run(ctx context.Context, sink vigil.Sink) error
}

// An Authenticator knows the devices. It returns an *vigil.Error of kind
// Unknown for a wrong id or secret alike, Forbidden for a revoked device.
type Authenticator interface {
	Authenticate(ctx context.Context, id vigil.DeviceID, secret string) (vigil.Device, error)
}
