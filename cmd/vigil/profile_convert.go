package main

import (
	"errors"
	"fmt"

	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/devices/iomt"
)

// profileConvertCmd writes a profile that says the same as a mapping pair.
type profileConvertCmd struct {
	Dir string `arg:"" type:"existingdir" help:"Folder with devicecontent.json and fhirmapping.json."`
}

// Run writes it, or says what a profile cannot say.
func (cmd profileConvertCmd) Run(c *console) error {
	pair, err := readMapping(cmd.Dir)
	if err != nil {
		return err
	}
	m, problems := iomt.Parse(pair.name, pair.content, pair.fhir)
	for _, p := range wrongIn(problems) {
		fmt.Fprintln(c.err, problemText(cmd.Dir, p))
	}
	if m == nil {
		return errors.New("the mapping has problems")
	}
	text, cannot := m.Native()
	for _, reason := range cannot {
		fmt.Fprintln(c.err, "cannot be expressed: "+reason)
	}
	if len(cannot) > 0 {
		return fmt.Errorf("%d thing(s) that the mapping says cannot be said by a profile; keep using the mapping", len(cannot))
	}
	p, wrong := devices.Parse(pair.name+".yaml", text)
	if p != nil {
		wrong = p.Check()
	}
	for _, w := range wrong {
		fmt.Fprintln(c.err, "check: "+w.String())
	}
	if p == nil {
		return errors.New("the profile that was made has problems")
	}
	if c.json {
		return c.print(p.Info(), nil)
	}
	_, err = c.out.Write(text)
	return err
}
