package fleet

import (
	"context"
	"regexp"

	"github.com/vigil-iomt/vigil"
)

// born is a FHIR R4 date: year, month or day.
var born = regexp.MustCompile(`^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$`)

// AddPatient registers a patient. An empty ID is filled in. Two patients never
// share a medical record number.
func (r *Registry) AddPatient(ctx context.Context, p vigil.Patient) (vigil.Patient, error) {
	if p.ID == "" {
		p.ID = vigil.PatientID(vigil.NewID(r.c.Now()))
	}
	if p.Sex == "" {
		p.Sex = "unknown"
	}
	err := r.change(ctx, func() (draft, error) {
		if err := r.checkPatient(p); err != nil {
			return draft{}, err
		}
		if _, ok := r.Patient(p.ID); ok {
			return draft{}, vigil.Errorf(vigil.Conflicting, "a patient with this id is registered already")
		}
		p.Created = r.now()
		return only(ctx, r, kindPatient, string(p.ID), 0, p)
	})
	return p, err
}

// PutPatients registers patients that are known from elsewhere, or replaces what
// is known of them, in one change. A record number that belongs to another
// patient is left out. When all is known already, nothing is written.
func (r *Registry) PutPatients(ctx context.Context, list ...vigil.Patient) error {
	return r.change(ctx, func() (draft, error) {
		var d draft
		numbers := map[string]vigil.PatientID{}
		for _, p := range list {
			if owner, ok := numbers[p.MRN]; ok && owner != p.ID || r.isTaken(p) {
				p.MRN = ""
			}
			if p.MRN != "" {
				numbers[p.MRN] = p.ID
			}
			doc, changed, err := r.putsPatient(ctx, p)
			if err != nil {
				return draft{}, err
			}
			if changed {
				d.docs = append(d.docs, doc)
			}
		}
		return d, nil
	})
}

// isTaken tells whether the record number of a patient is another's.
func (r *Registry) isTaken(p vigil.Patient) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	owner, ok := r.byMRN[p.MRN]
	return ok && p.MRN != "" && owner != p.ID
}

// putsPatient makes the next version of the record of a patient.
func (r *Registry) putsPatient(ctx context.Context, p vigil.Patient) (doc vigil.Document, changed bool, err error) {
	if err := r.checkPatient(p); err != nil {
		return doc, false, err
	}
	r.mu.RLock()
	old, known := r.patients[p.ID]
	r.mu.RUnlock()
	if p.Created = old.rec.Created; !known {
		p.Created = r.now()
	}
	if p == old.rec {
		return doc, false, nil
	}
	doc, err = document(ctx, r, kindPatient, string(p.ID), old.version, p)
	return doc, true, err
}

// checkPatient says what is wrong with what is to be known of a patient.
func (r *Registry) checkPatient(p vigil.Patient) error {
	bad := func(path, msg string) error { return &vigil.Error{Kind: vigil.Invalid, Path: path, Msg: msg} }
	switch {
	case !vigil.ValidID(string(p.ID)):
		return bad("/id", "a patient id is 1 to 64 letters, digits, dots, dashes or underscores")
	case p.Family == "":
		return bad("/family", "a patient needs a family name; use \"Unknown\" where there is none yet")
	case p.Born != "" && !born.MatchString(p.Born):
		return bad("/born", "a date of birth is YYYY, YYYY-MM or YYYY-MM-DD")
	}
	switch p.Sex {
	case "male", "female", "other", "unknown":
	default:
		return bad("/sex", "sex is male, female, other or unknown")
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if owner, ok := r.byMRN[p.MRN]; ok && p.MRN != "" && owner != p.ID {
		return &vigil.Error{Kind: vigil.Conflicting, Path: "/mrn", Msg: "this record number belongs to another patient"}
	}
	return nil
}

// putPatient puts a patient into memory. The caller holds mu.
func (r *Registry) putPatient(k kept[vigil.Patient]) []note {
	if old := r.patients[k.rec.ID].rec.MRN; old != "" && r.byMRN[old] == k.rec.ID {
		delete(r.byMRN, old)
	}
	r.patients[k.rec.ID] = k
	if k.rec.MRN != "" {
		r.byMRN[k.rec.MRN] = k.rec.ID
	}
	return []note{{kindPatient, string(k.rec.ID)}}
}

// Patient returns a registered patient.
func (r *Registry) Patient(id vigil.PatientID) (vigil.Patient, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	k, ok := r.patients[id]
	return k.rec, ok
}

// PatientNamed finds the patient that a message names, by id or record number.
func (r *Registry) PatientNamed(name string) (vigil.PatientID, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if k, ok := r.patients[vigil.PatientID(name)]; ok {
		return k.rec.ID, true
	}
	id, ok := r.byMRN[name]
	return id, ok
}

// Patients returns all patients by family and given name.
func (r *Registry) Patients() []vigil.Patient {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return sorted(r.patients, func(k kept[vigil.Patient]) vigil.Patient { return k.rec },
		func(a, b vigil.Patient) bool {
			if a.Family != b.Family {
				return a.Family < b.Family
			}
			if a.Given != b.Given {
				return a.Given < b.Given
			}
			return a.ID < b.ID
		})
}
