package main

import (
	"net/http"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// patientCmd registers and lists patients.
type patientCmd struct {
	Add  patientAddCmd  `cmd:"" help:"Register a patient."`
	List patientListCmd `cmd:"" help:"List patients."`
}

// patientAddCmd registers a patient, and puts them into a bed when one is named.
type patientAddCmd struct {
	ID     string `help:"Identifier; made up when empty." json:"id,omitempty"`
	Family string `help:"Family name." default:"Unknown" json:"family"`
	Given  string `help:"Given names." json:"given,omitempty"`
	Name   string `help:"Whole name, as \"Family, Given\" or \"Given Family\"." json:"-"`
	Born   string `help:"Date of birth, YYYY-MM-DD." json:"born,omitempty"`
	Sex    string `help:"male, female, other or unknown." default:"unknown" json:"sex"`
	MRN    string `name:"mrn" help:"Medical record number." json:"mrn,omitempty"`
	Unit   string `help:"Ward or service; with --bed." json:"unit,omitempty"`
	Bed    string `help:"Bed or home that the patient is in; made when it is new." json:"bed,omitempty"`
}

// Run registers the patient.
func (cmd patientAddCmd) Run(c *console) error {
	if cmd.Name != "" {
		cmd.Family, cmd.Given = splitName(cmd.Name)
	}
	if (cmd.Bed == "") != (cmd.Unit == "") {
		return usageError("--unit and --bed go together")
	}
	var p vigil.Patient
	if err := c.client().call(c.ctx, http.MethodPost, "/api/v1/patients", cmd, &p); err != nil {
		return err
	}
	return c.print(map[string]any{"id": p.ID}, func(t *table) { t.row("patient", string(p.ID)) })
}

// splitName reads "Family, Given" or "Given Family".
func splitName(name string) (family, given string) {
	for i := range len(name) {
		if name[i] == ',' {
			rest := i + 1
			for rest < len(name) && name[rest] == ' ' {
				rest++
			}
			return name[:i], name[rest:]
		}
	}
	for i := len(name) - 1; i > 0; i-- {
		if name[i] == ' ' {
			return name[i+1:], name[:i]
		}
	}
	return name, ""
}

// patientListCmd lists patients.
type patientListCmd struct{}

// Run lists them.
func (patientListCmd) Run(c *console) error {
	var out struct {
		Patients []vigil.Patient `json:"patients"`
	}
	if err := c.client().call(c.ctx, http.MethodGet, "/api/v1/patients", nil, &out); err != nil {
		return err
	}
	return c.print(out, func(t *table) {
		t.row("ID", "NAME", "BORN", "SEX", "MRN")
		for _, p := range out.Patients {
			t.row(string(p.ID), strings.TrimSuffix(p.Family+", "+p.Given, ", "), p.Born, p.Sex, p.MRN)
		}
	})
}
