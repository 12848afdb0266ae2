package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/vigil-iomt/vigil/app"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/devices/iomt"
)

// profileCmd works on device profiles; it needs no running server.
type profileCmd struct {
	Check   profileCheckCmd   `cmd:"" help:"Check profile files or mapping pairs: everything that is wrong, with line and column."`
	Try     profileTryCmd     `cmd:"" help:"Decode a payload with a profile or a mapping pair, or run the profile's examples."`
	List    profileListCmd    `cmd:"" help:"List the profiles, built in and from the data folder."`
	Show    profileShowCmd    `cmd:"" help:"Show a profile with its examples."`
	Convert profileConvertCmd `cmd:"" help:"Write the profile that says the same as the mapping pair of an IoMT connector."`
}

// profileCheckCmd checks files.
type profileCheckCmd struct {
	Files []string `arg:"" type:"path" help:"Profile files; the folder of an IoMT connector's mapping pair, or its files."`
}

// checked is the outcome for one file.
type checked struct {
	File     string            `json:"file"`
	OK       bool              `json:"ok"`
	Problems []devices.Problem `json:"problems"`
}

// Run checks them.
func (cmd profileCheckCmd) Run(c *console) error {
	out, err := cmd.check()
	if err != nil {
		return err
	}
	bad := 0
	for _, o := range out {
		if !o.OK {
			bad++
		}
	}
	err = c.print(out, func(t *table) {
		for _, o := range out {
			if o.OK && len(o.Problems) == 0 {
				t.row(o.File + ": good")
			}
			for _, p := range o.Problems {
				t.row(problemText(o.File, p))
			}
		}
	})
	if err == nil && bad > 0 {
		err = fmt.Errorf("%d of %d profiles have problems", bad, len(out))
	}
	return err
}

// check checks each file; the two files of a mapping pair are checked together.
func (cmd profileCheckCmd) check() ([]checked, error) {
	var out []checked
	pair := mappingPair{name: "mapping"}
	var parts []string
	for _, file := range cmd.Files {
		if isDir(file) {
			p, err := readMapping(file)
			if err != nil {
				return nil, err
			}
			_, problems := p.profile()
			out = append(out, checked{File: file, OK: len(wrongIn(problems)) == 0, Problems: problems})
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read profile: %w", err)
		}
		switch role := roleOf(file, text); {
		case role == deviceMapping && pair.content == nil:
			pair.content = text
			parts = append(parts, file)
			continue
		case role == fhirMapping && pair.fhir == nil:
			pair.fhir = text
			parts = append(parts, file)
			continue
		}
		_, problems, err := readProfile(file, true)
		if err != nil {
			return nil, err
		}
		out = append(out, checked{File: file, OK: len(wrongIn(problems)) == 0, Problems: problems})
	}
	if len(parts) > 0 {
		problems := pair.check()
		out = append(out, checked{File: strings.Join(parts, " "), OK: len(wrongIn(problems)) == 0, Problems: problems})
	}
	return out, nil
}

// check lists the problems of a pair, or of the one file of it that is there.
func (p mappingPair) check() []devices.Problem {
	switch {
	case p.fhir == nil:
		return iomt.ParseContent(p.content)
	case p.content == nil:
		return iomt.ParseFHIR(p.fhir)
	}
	_, problems := iomt.Parse(p.name, p.content, p.fhir)
	return problems
}

// problemText writes a problem as file: position: message.
func problemText(file string, p devices.Problem) string {
	if base := filepath.Base(p.File); base != filepath.Base(file) && strings.HasSuffix(base, ".json") {
		file = filepath.Join(file, base)
		if strings.Contains(file, " ") {
			file = base
		}
	}
	if p.Warning {
		p.Msg = "warning: " + p.Msg
	}
	if p.Pos == "" {
		return file + ": " + p.Msg
	}
	return file + ": " + p.Pos + ": " + p.Msg
}

// readProfile reads a profile file and lists its problems; with proof it also
// runs the file's own examples.
func readProfile(file string, proof bool) (*devices.Profile, []devices.Problem, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, fmt.Errorf("read profile: %w", err)
	}
	p, problems := devices.Parse(filepath.Base(file), text)
	if p != nil && len(problems) == 0 && proof {
		problems = p.Check()
	}
	return p, problems, nil
}

// profileTryCmd decodes a payload.
type profileTryCmd struct {
	File    string `arg:"" help:"Profile file, the folder of a mapping pair or its devicecontent.json, or the name of a known profile."`
	FHIR    string `name:"fhir" type:"existingfile" placeholder:"FILE" help:"The fhirmapping.json that belongs to a devicecontent.json; the one beside it when not given."`
	Payload string `arg:"" optional:"" help:"Payload: text, @FILE, or - for standard input. Without one the examples are run."`
	Channel string `help:"Channel that the payload comes on."`
}

// Run decodes it.
func (cmd profileTryCmd) Run(c *console) error {
	p, err := cmd.profile(c)
	if err != nil {
		return err
	}
	if cmd.Payload == "" {
		return tryExamples(c, p)
	}
	payload, err := cmd.payload(c)
	if err != nil {
		return err
	}
	result := devices.Try(p, cmd.Channel, payload)
	if err := c.print(result, func(t *table) { printTried(t, result) }); err != nil {
		return err
	}
	if len(result.Refusals) > 0 {
		return fmt.Errorf("%d part(s) of the payload were refused", len(result.Refusals))
	}
	return nil
}

// profile finds the profile that the command names.
func (cmd profileTryCmd) profile(c *console) (*devices.Profile, error) {
	if _, err := os.Stat(cmd.File); err != nil {
		catalog, _ := app.LoadProfiles((&app.Config{Data: c.data}).Profiles())
		if p, ok := catalog.Profile(cmd.File); ok {
			return p, nil
		}
		return nil, fmt.Errorf("%s is neither a file nor a known profile; `vigil profile list` shows them", cmd.File)
	}
	p, problems, err := cmd.read()
	if err != nil {
		return nil, err
	}
	if problems = wrongIn(problems); len(problems) > 0 {
		lines := make([]string, len(problems))
		for i, pr := range problems {
			lines[i] = problemText(cmd.File, pr)
		}
		return nil, fmt.Errorf("the profile has problems:\n%s", strings.Join(lines, "\n"))
	}
	return p, nil
}

// read reads the file, or the mapping pair.
func (cmd profileTryCmd) read() (*devices.Profile, []devices.Problem, error) {
	if isDir(cmd.File) {
		pair, err := readMapping(cmd.File)
		if err != nil {
			return nil, nil, err
		}
		p, problems := pair.profile()
		return p, problems, nil
	}
	text, err := os.ReadFile(cmd.File)
	if err != nil {
		return nil, nil, fmt.Errorf("read profile: %w", err)
	}
	if roleOf(cmd.File, text) != deviceMapping {
		return readProfile(cmd.File, false)
	}
	pair := mappingPair{name: "mapping", content: text}
	beside := cmd.FHIR
	if beside == "" {
		beside = filepath.Join(filepath.Dir(cmd.File), iomt.FHIRFile)
	}
	if pair.fhir, err = os.ReadFile(beside); err != nil {
		return nil, nil, fmt.Errorf("read mapping: %w", err)
	}
	p, problems := pair.profile()
	return p, problems, nil
}

// payload reads the payload that the command names.
func (cmd profileTryCmd) payload(c *console) ([]byte, error) {
	if cmd.Payload == "-" {
		b, err := io.ReadAll(c.in)
		if err != nil {
			return nil, fmt.Errorf("read payload: %w", err)
		}
		return b, nil
	}
	if file, ok := strings.CutPrefix(cmd.Payload, "@"); ok {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read payload: %w", err)
		}
		return b, nil
	}
	return []byte(cmd.Payload), nil
}

// profileListCmd lists profiles.
type profileListCmd struct{}

// Run lists them.
func (profileListCmd) Run(c *console) error {
	catalog, problems := app.LoadProfiles((&app.Config{Data: c.data}).Profiles())
	var out struct {
		Profiles []devices.Info    `json:"profiles"`
		Problems []devices.Problem `json:"problems"`
	}
	out.Problems = problems
	for _, p := range catalog.Profiles() {
		out.Profiles = append(out.Profiles, p.Info())
	}
	return c.print(out, func(t *table) {
		t.row("NAME", "KIND", "TITLE", "MAKER")
		for _, p := range out.Profiles {
			t.row(p.Name, p.Kind, p.Title, p.Maker)
		}
		for _, p := range problems {
			t.row(problemText(p.File, p))
		}
	})
}

// profileShowCmd shows a profile.
type profileShowCmd struct {
	Name string `arg:"" help:"Profile."`
}

// Run shows it.
func (cmd profileShowCmd) Run(c *console) error {
	catalog, _ := app.LoadProfiles((&app.Config{Data: c.data}).Profiles())
	p, ok := catalog.Profile(cmd.Name)
	if !ok {
		return fmt.Errorf("there is no profile %s; `vigil profile list` shows them", cmd.Name)
	}
	if c.json {
		return c.print(p.Info(), nil)
	}
	_, err := c.out.Write(p.Text)
	return err
}

// tryExamples runs the examples of a profile and tells which of them hold.
func tryExamples(c *console, p *devices.Profile) error {
	problems := p.Check()
	out := struct {
		Profile  string            `json:"profile"`
		Examples []tried           `json:"examples"`
		Problems []devices.Problem `json:"problems"`
	}{Profile: p.Name, Problems: problems}
	for i := range p.Examples {
		e := &p.Examples[i]
		out.Examples = append(out.Examples, tried{e.Name, devices.Try(p, e.Channel, e.Message())})
	}
	err := c.print(out, func(t *table) {
		for _, e := range out.Examples {
			t.row(e.Name)
			printTried(t, e.Tried)
		}
		for _, pr := range problems {
			t.row(problemText(p.Name, pr))
		}
	})
	if n := len(wrongIn(problems)); err == nil && n > 0 {
		err = fmt.Errorf("%d problem(s)", n)
	}
	return err
}

// tried is an example with what became of it.
type tried struct {
	Name string `json:"name"`
	devices.Tried
}

// printTried prints what a payload said.
func printTried(t *table, r devices.Tried) {
	for _, part := range [][]devices.TriedPart{r.Readings, r.Waves, r.Events} {
		for _, p := range part {
			codes := make([]string, len(p.Codes))
			for i, k := range p.Codes {
				codes[i] = k.String()
			}
			t.row("", p.Name, p.Text, p.Time, strings.Join(codes, " "))
		}
	}
	for _, k := range r.Speakers {
		t.row("", "device", k.Device, "patient", k.Patient)
	}
	if r.Patient != "" && len(r.Speakers) == 0 {
		t.row("", "patient", r.Patient)
	}
	for _, f := range r.Refusals {
		t.row("", "refused", f.Error())
	}
}
