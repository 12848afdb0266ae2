package fleet

import (
	"bytes"
	"context"
	"reflect"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// AddDevice registers a device and returns it with the secret that it proves
// itself with; the secret is shown this once and kept only as a hash. An empty
// ID is filled in. When serves is not the zero subject, the device is assigned
// to it during the given interval; a zero From means that whatever the device
// remembers is that subject's, too.
func (r *Registry) AddDevice(ctx context.Context, d vigil.Device, serves vigil.Subject, during vigil.Interval) (vigil.Device, string, error) {
	if d.ID == "" {
		d.ID = vigil.DeviceID(vigil.NewID(r.c.Now()))
	}
	secret, hash := newSecret()
	err := r.change(ctx, func() (draft, error) {
		if err := r.checkDevice(d); err != nil {
			return draft{}, err
		}
		d.Created = r.now()
		next, err := only(ctx, r, kindDevice, string(d.ID), 0, registered{Device: d, Secret: hash})
		if err != nil || serves.Kind == vigil.NoSubject {
			return next, err
		}
		if err := r.checkSubject(serves); err != nil {
			return draft{}, err
		}
		actor, _ := vigil.ActorFrom(ctx)
		a := vigil.Assignment{
			ID: vigil.NewID(r.c.Now()), Device: d.ID, Subject: serves, Interval: during,
			Actor: actor, Reason: "registered",
		}
		doc, err := document(ctx, r, kindAssignment, a.ID, 0, a)
		next.docs = append(next.docs, doc)
		return next, err
	})
	if err != nil {
		secret = ""
	}
	return d, secret, err
}

// checkDevice says what is wrong with a device to be registered.
func (r *Registry) checkDevice(d vigil.Device) error {
	if !vigil.ValidID(string(d.ID)) {
		return &vigil.Error{Kind: vigil.Invalid, Path: "/id", Msg: "a device id is 1 to 64 letters, digits, dots, dashes or underscores"}
	}
	if d.Profile == "" {
		return &vigil.Error{Kind: vigil.Invalid, Path: "/profile", Msg: "a device needs a profile; `vigil profile list` shows them"}
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if _, ok := r.devices[d.ID]; ok {
		return vigil.Errorf(vigil.Conflicting, "device %s is registered already", d.ID)
	}
	for _, other := range d.For {
		if _, ok := r.devices[other]; !ok {
			return &vigil.Error{Kind: vigil.Invalid, Path: "/for", Msg: "device " + string(other) + " is not registered"}
		}
	}
	return nil
}

// PutDevices registers devices that are known from elsewhere, with secrets that
// nobody knows until new ones are asked for, or replaces their names and numbers,
// in one change. Profile and rights of those that are registered stay. When all
// is known already, nothing is written.
func (r *Registry) PutDevices(ctx context.Context, list ...vigil.Device) error {
	return r.change(ctx, func() (draft, error) {
		var d draft
		for _, x := range list {
			rec, version, err := r.putsDevice(x)
			if err != nil {
				return draft{}, err
			}
			if rec == nil {
				continue
			}
			doc, err := document(ctx, r, kindDevice, string(x.ID), version, *rec)
			if err != nil {
				return draft{}, err
			}
			d.docs = append(d.docs, doc)
		}
		return d, nil
	})
}

// putsDevice makes the next record of a device; nil when nothing is new.
func (r *Registry) putsDevice(d vigil.Device) (rec *registered, version int64, err error) {
	old, known := r.find(d.ID)
	if !known {
		if err := r.checkDevice(d); err != nil {
			return nil, 0, err
		}
		_, hash := newSecret()
		d.Created = r.now()
		return &registered{Device: d, Secret: hash}, 0, nil
	}
	next := old.rec
	next.Name, next.Maker, next.Model, next.Serial = d.Name, d.Maker, d.Model, d.Serial
	next.UDI, next.Firmware = d.UDI, d.Firmware
	if reflect.DeepEqual(next, old.rec) {
		return nil, 0, nil
	}
	return &next, old.version, nil
}

// UpdateDevice replaces what is known about a device: names, serial, firmware,
// profile, gateway rights. Its id, creation and revocation stay.
func (r *Registry) UpdateDevice(ctx context.Context, d vigil.Device) (vigil.Device, error) {
	err := r.changeDevice(ctx, d.ID, func(old registered) (registered, error) {
		for _, other := range d.For {
			if _, ok := r.find(other); !ok {
				return old, &vigil.Error{Kind: vigil.Invalid, Path: "/for", Msg: "device " + string(other) + " is not registered"}
			}
		}
		d.Created, d.Revoked = old.Created, old.Revoked
		return registered{Device: d, Secret: old.Secret}, nil
	})
	return d, err
}

// changeDevice writes what next makes of a device.
func (r *Registry) changeDevice(ctx context.Context, id vigil.DeviceID, next func(old registered) (registered, error)) error {
	return r.change(ctx, func() (draft, error) {
		old, ok := r.find(id)
		if !ok {
			return draft{}, noDevice(id)
		}
		rec, err := next(old.rec)
		if err != nil {
			return draft{}, err
		}
		return only(ctx, r, kindDevice, string(id), old.version, rec)
	})
}

// RevokeDevice voids the credentials of a device from now on. Its readings and
// assignments stay.
func (r *Registry) RevokeDevice(ctx context.Context, id vigil.DeviceID) error {
	return r.change(ctx, func() (draft, error) {
		d, ok := r.find(id)
		if !ok {
			return draft{}, noDevice(id)
		}
		rec := d.rec
		if rec.Revoked != 0 {
			return draft{}, nil
		}
		rec.Revoked = r.now()
		return only(ctx, r, kindDevice, string(id), d.version, rec)
	})
}

// RenewSecret gives a device a new secret; the old one is void at once.
func (r *Registry) RenewSecret(ctx context.Context, id vigil.DeviceID) (string, error) {
	secret, hash := newSecret()
	err := r.changeDevice(ctx, id, func(d registered) (registered, error) {
		d.Secret = hash
		return d, nil
	})
	if err != nil {
		return "", err
	}
	return secret, nil
}

// putDevice puts a device into memory and leaves its assignments. The caller
// holds mu.
func (r *Registry) putDevice(k kept[registered]) []note {
	d := &device{kept: k}
	notes := []note{{kindDevice, string(k.rec.ID)}}
	if old, ok := r.devices[k.rec.ID]; ok {
		d.assignments = old.assignments
		if !bytes.Equal(old.rec.Secret.Sum, k.rec.Secret.Sum) {
			notes = append(notes, note{ChangedSecret, string(k.rec.ID)})
		}
	}
	r.devices[k.rec.ID] = d
	return notes
}

// find returns the device as it is in memory.
func (r *Registry) find(id vigil.DeviceID) (*device, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	d, ok := r.devices[id]
	return d, ok
}

// noDevice is the error for an id that is not registered.
func noDevice(id vigil.DeviceID) error {
	return vigil.Errorf(vigil.NotFound, "device %s is not registered", id)
}

// Device returns a registered device.
func (r *Registry) Device(id vigil.DeviceID) (vigil.Device, bool) {
	d, ok := r.find(id)
	if !ok {
		return vigil.Device{}, false
	}
	return d.rec.Device, true
}

// Devices returns all devices by id.
func (r *Registry) Devices() []vigil.Device {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return sorted(r.devices, func(d *device) vigil.Device { return d.rec.Device },
		func(a, b vigil.Device) bool { return a.ID < b.ID })
}

// Authenticate returns the device that id and secret belong to. A wrong id and
// a wrong secret make the same error in the same time.
func (r *Registry) Authenticate(ctx context.Context, id vigil.DeviceID, secret string) (vigil.Device, error) {
	d, ok := r.proved(id, secret)
	if !ok {
		fresh, err := r.refresh(ctx)
		if err != nil {
			return vigil.Device{}, err
		}
		if fresh {
			d, ok = r.proved(id, secret)
		}
	}
	if !ok {
		return vigil.Device{}, vigil.Errorf(vigil.Unknown, "no device with this id and secret")
	}
	if d.rec.Revoked != 0 {
		return vigil.Device{}, vigil.Errorf(vigil.Forbidden, "the credentials of this device were revoked")
	}
	return d.rec.Device, nil
}

// proved returns a device if the secret is its own.
func (r *Registry) proved(id vigil.DeviceID, secret string) (*device, bool) {
	d, ok := r.find(id)
	if !ok {
		hashed{}.matches(secret)
		return nil, false
	}
	return d, d.rec.Secret.matches(secret)
}

// MaySpeak tells whether speaker may deliver messages of other: both are
// registered, other is not revoked, and speaker is other or its gateway.
func (r *Registry) MaySpeak(speaker vigil.Device, other vigil.DeviceID) bool {
	return r.maySpeak(speaker, other) || r.glance() && r.maySpeak(speaker, other)
}

// maySpeak is MaySpeak as far as memory knows.
func (r *Registry) maySpeak(speaker vigil.Device, other vigil.DeviceID) bool {
	d, ok := r.find(other)
	if !ok || d.rec.Revoked != 0 {
		return false
	}
	s, ok := r.find(speaker.ID) // as it is now, not as it was when it logged in
	return ok && s.rec.MaySpeakFor(other)
}

// ProfilesInUse returns the names of profiles that devices name, sorted.
func (r *Registry) ProfilesInUse() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	seen := map[string]bool{}
	var names []string
	for _, d := range r.devices {
		if !seen[d.rec.Profile] {
			seen[d.rec.Profile] = true
			names = append(names, d.rec.Profile)
		}
	}
	slices.Sort(names)
	return names
}
