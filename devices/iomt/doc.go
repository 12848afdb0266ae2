// Package iomt reads the mapping pairs of Microsoft's IoMT connector for FHIR,
// devicecontent.json and fhirmapping.json, and makes profiles of them, so that a
// site's mappings work unchanged: the readings that they describe become series,
// and the Observations that they describe can be given back.
//
// The format is that of the project microsoft/iomt-fhir (docs/Configuration.md
// and docs/CustomFunctions.md there); where its documents and its code disagree,
// docs/guide/iomt-mappings.md says which is followed here.
package iomt

import (
	"fmt"
	"slices"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
)

// The names of the two files of a pair.
const (
	DeviceFile = "devicecontent.json"
	FHIRFile   = "fhirmapping.json"
)

// TypeSystem is the code system that the connector names types and values of a
// mapping in, beside the codes that the mapping gives.
const TypeSystem = "https://azure.microsoft.com/en-us/services/iomt-fhir-connector/"

// A Mapping is a pair that was read. It does not change and may be used by many
// goroutines.
type Mapping struct {
	Name    string
	content []*content
	fhir    []*Template
	types   map[string]*kind
	order   []string // names of types, as they first come
}

// Template returns what the pair says about Observations of a type; nil when it
// says nothing.
func (m *Mapping) Template(typeName string) *Template {
	for _, t := range m.fhir {
		if t.TypeName == typeName {
			return t
		}
	}
	return nil
}

// Parse reads a pair. All problems of both files are listed; those that are a
// Warning do not refuse it, every other does, and then there is no mapping.
func Parse(name string, deviceContent, fhirMapping []byte) (*Mapping, []devices.Problem) {
	m := &Mapping{Name: name, types: map[string]*kind{}}
	d := &reader{file: DeviceFile}
	m.content = d.deviceContent(deviceContent)
	f := &reader{file: FHIRFile}
	m.fhir = f.fhirMapping(fhirMapping)
	problems := slices.Concat(d.problems, f.problems)
	if slices.ContainsFunc(problems, func(p devices.Problem) bool { return !p.Warning }) {
		return nil, problems
	}
	m.build()
	return m, append(problems, m.lint()...)
}

// ParseContent reads devicecontent.json alone and lists what is wrong in it.
func ParseContent(text []byte) []devices.Problem {
	r := &reader{file: DeviceFile}
	r.deviceContent(text)
	return r.problems
}

// ParseFHIR reads fhirmapping.json alone and lists what is wrong in it.
func ParseFHIR(text []byte) []devices.Problem {
	r := &reader{file: FHIRFile}
	r.fhirMapping(text)
	return r.problems
}

// ReadFolder is a devices.FolderReader: it makes a profile of a folder that
// holds a pair. The profile has the name of the folder.
func ReadFolder(f devices.Folder) (*devices.Profile, []devices.Problem) {
	content, okContent := f.Files[DeviceFile]
	fhir, okFHIR := f.Files[FHIRFile]
	if !okContent && !okFHIR {
		return nil, nil
	}
	in := func(problems []devices.Problem) []devices.Problem {
		for i := range problems {
			problems[i].File = f.Name + "/" + problems[i].File
		}
		return problems
	}
	switch {
	case !vigil.ValidID(f.Name):
		return nil, in([]devices.Problem{{File: DeviceFile, Msg: fmt.Sprintf("%q cannot be the name of a profile", f.Name)}})
	case !okContent:
		return nil, in([]devices.Problem{{File: DeviceFile, Msg: "the file is missing beside " + FHIRFile}})
	case !okFHIR:
		return nil, in([]devices.Problem{{File: FHIRFile, Msg: "the file is missing beside " + DeviceFile}})
	}
	m, problems := Parse(f.Name, content, fhir)
	in(problems)
	if m == nil {
		return nil, problems
	}
	return m.profile(f.Name, slices.Concat(content, []byte("\n"), fhir), problems), problems
}

// profile makes a profile of the mapping.
func (m *Mapping) profile(file string, text []byte, oddities []devices.Problem) *devices.Profile {
	c := devices.Custom{
		Name: m.Name, File: file, Title: "Mapping " + m.Name, Kind: "gateway", Text: text, Oddities: oddities, Decoder: m,
		Source: "IoMT connector mapping (microsoft/iomt-fhir, docs/Configuration.md)",
	}
	for _, name := range m.order {
		k := m.types[name]
		for _, v := range k.values {
			if v.metric != nil {
				c.Metrics = append(c.Metrics, v.metric)
			}
		}
		if k.event != "" && !slices.Contains(c.Events, k.event) {
			c.Events = append(c.Events, k.event)
		}
	}
	return devices.NewCustom(c)
}
