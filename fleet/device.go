package fleet

import (
	"context"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// AddDevice registers a device and returns it with the secret that it proves
// itself with; the secret is shown this once and kept only as a hash. An empty
// ID is filled in. When serves is not the zero subject, the device is assigned
// to it during the given interval; a zero From means that whatever the device
// remembers is that subject's, too.
func (r *Registry) AddDevice(ctx context.Context, d vigil.Device, serves vigil.Subject, during vigil.Interval) (vigil.Device, string, error) {
	r.writing.Lock()
	defer r.writing.Unlock()
	if d.ID == "" {
		d.ID = vigil.DeviceID(vigil.NewID(r.c.Now()))
	}
	if err := r.checkDevice(d); err != nil {
		return d, "", err
	}
	d.Created = r.now()
	secret, hash := newSecret()
	k := kept[registered]{rec: registered{Device: d, Secret: hash}}
	doc, err := document(ctx, r, kindDevice, string(d.ID), 0, k.rec)
	if err != nil {
		return d, "", err
	}
	docs := []vigil.Document{doc}
	var assigned kept[vigil.Assignment]
	if serves.Kind != vigil.NoSubject {
		if err := r.checkSubject(serves); err != nil {
			return d, "", err
		}
		actor, _ := vigil.ActorFrom(ctx)
		assigned.rec = vigil.Assignment{
			ID: vigil.NewID(r.c.Now()), Device: d.ID, Subject: serves, Interval: during,
			Actor: actor, Reason: "registered",
		}
		doc, err := document(ctx, r, kindAssignment, assigned.rec.ID, 0, assigned.rec)
		if err != nil {
			return d, "", err
		}
		docs = append(docs, doc)
	}
	if err := r.c.Documents.SaveDocuments(ctx, docs...); err != nil {
		return d, "", err
	}
	k.version, assigned.version = 1, 1
	r.mu.Lock()
	r.devices[d.ID] = &device{kept: k}
	if serves.Kind != vigil.NoSubject {
		r.putAssignment(assigned)
	}
	r.mu.Unlock()
	r.changed(kindDevice, string(d.ID))
	return d, secret, nil
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

// UpdateDevice replaces what is known about a device: names, serial, firmware,
// profile, gateway rights. Its id, creation and revocation stay.
func (r *Registry) UpdateDevice(ctx context.Context, d vigil.Device) (vigil.Device, error) {
	r.writing.Lock()
	defer r.writing.Unlock()
	old, ok := r.find(d.ID)
	if !ok {
		return d, noDevice(d.ID)
	}
	for _, other := range d.For {
		if _, ok := r.find(other); !ok {
			return d, &vigil.Error{Kind: vigil.Invalid, Path: "/for", Msg: "device " + string(other) + " is not registered"}
		}
	}
	d.Created, d.Revoked = old.rec.Created, old.rec.Revoked
	k := kept[registered]{rec: registered{Device: d, Secret: old.rec.Secret}, version: old.version}
	return d, save(ctx, r, kindDevice, string(d.ID), k, r.putDevice)
}

// RevokeDevice voids the credentials of a device from now on. Its readings and
// assignments stay.
func (r *Registry) RevokeDevice(ctx context.Context, id vigil.DeviceID) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	old, ok := r.find(id)
	if !ok {
		return noDevice(id)
	}
	if old.rec.Revoked != 0 {
		return nil
	}
	k := old.kept
	k.rec.Revoked = r.now()
	return save(ctx, r, kindDevice, string(id), k, r.putDevice)
}

// RenewSecret gives a device a new secret; the old one is void at once.
func (r *Registry) RenewSecret(ctx context.Context, id vigil.DeviceID) (string, error) {
	r.writing.Lock()
	defer r.writing.Unlock()
	old, ok := r.find(id)
	if !ok {
		return "", noDevice(id)
	}
	secret, hash := newSecret()
	k := old.kept
	k.rec.Secret = hash
	if err := save(ctx, r, kindDevice, string(id), k, r.putDevice); err != nil {
		return "", err
	}
	r.changed(ChangedSecret, string(id))
	return secret, nil
}

// putDevice replaces a device in memory and leaves its assignments. The caller
// holds mu.
func (r *Registry) putDevice(k kept[registered]) {
	d := &device{kept: k}
	if old, ok := r.devices[k.rec.ID]; ok {
		d.assignments = old.assignments
	}
	r.devices[k.rec.ID] = d
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
func (r *Registry) Authenticate(_ context.Context, id vigil.DeviceID, secret string) (vigil.Device, error) {
	d, ok := r.find(id)
	if !ok {
		hashed{}.matches(secret)
		return vigil.Device{}, vigil.Errorf(vigil.Unknown, "no device with this id and secret")
	}
	if !d.rec.Secret.matches(secret) {
		return vigil.Device{}, vigil.Errorf(vigil.Unknown, "no device with this id and secret")
	}
	if d.rec.Revoked != 0 {
		return vigil.Device{}, vigil.Errorf(vigil.Forbidden, "the credentials of this device were revoked")
	}
	return d.rec.Device, nil
}

// MaySpeak tells whether speaker may deliver messages of other: both are
// registered, other is not revoked, and speaker is other or its gateway.
func (r *Registry) MaySpeak(speaker vigil.Device, other vigil.DeviceID) bool {
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
