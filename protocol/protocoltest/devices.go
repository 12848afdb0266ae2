package protocoltest

import (
	"context"
	"sync"

	"github.com/vigil-iomt/vigil"
)

// Devices is an authenticator that knows a few devices by heart.
type Devices struct {
	mu   sync.Mutex
	list map[vigil.DeviceID]known
}

// known is a device with its secret.
type known struct {
	device vigil.Device
	secret string
}

// NewDevices returns a register with the devices of the suite: pump-1 and pump-2
// with the secrets secret-1 and secret-2, and gateway-1 with secret-g, which may
// speak for pump-1.
func NewDevices() *Devices {
	d := &Devices{list: map[vigil.DeviceID]known{}}
	d.Add(vigil.Device{ID: "pump-1"}, "secret-1")
	d.Add(vigil.Device{ID: "pump-2"}, "secret-2")
	d.Add(vigil.Device{ID: "gateway-1", Gateway: true, For: []vigil.DeviceID{"pump-1"}}, "secret-g")
	return d
}

// Add registers a device.
func (d *Devices) Add(dev vigil.Device, secret string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list[dev.ID] = known{dev, secret}
}

// Authenticate returns the device. Its errors are those of
// protocol.Authenticator.
func (d *Devices) Authenticate(_ context.Context, id vigil.DeviceID, secret string) (vigil.Device, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k, ok := d.list[id]
	if !ok || k.secret != secret {
		return vigil.Device{}, vigil.Errorf(vigil.Unknown, "unknown device or wrong secret")
	}
	if k.device.Revoked != 0 {
		return vigil.Device{}, vigil.Errorf(vigil.Forbidden, "the device was revoked")
	}
	return k.device, nil
}
