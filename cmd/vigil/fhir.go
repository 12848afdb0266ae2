package main

import (
	"fmt"
	"os"

	"github.com/vigil-iomt/vigil/app"
)

// fhirCmd works on what the server knows of FHIR.
type fhirCmd struct {
	Package fhirPackageCmd `cmd:"" help:"Add, list and remove implementation guides; a running server follows within seconds."`
}

// fhirPackageCmd works on packages; it needs no running server.
type fhirPackageCmd struct {
	Add    fhirPackageAddCmd    `cmd:"" help:"Check packages and add them."`
	List   fhirPackageListCmd   `cmd:"" help:"List the packages."`
	Remove fhirPackageRemoveCmd `cmd:"" help:"Remove a package."`
}

func (c *console) guides() string { return (&app.Config{Data: c.data}).Guides() }

// printGuides shows packages.
func printGuides(c *console, list []app.Guide) error {
	return c.print(map[string][]app.Guide{"packages": list}, func(t *table) {
		if len(list) == 0 {
			t.row("There are no packages beside FHIR R4 itself.")
			return
		}
		t.row("PACKAGE", "VERSION", "DEFINITIONS", "TITLE")
		for _, g := range list {
			t.row(g.Name, g.Version, g.Definitions, g.Title)
		}
		for _, g := range list {
			for _, m := range g.Missing {
				t.row(fmt.Sprintf("%s builds on %s, which is not here: what refers to it is unknown", g.Name, m))
			}
			for _, s := range g.Skipped {
				t.row(fmt.Sprintf("%s: left out: %s", g.Name, s))
			}
		}
	})
}

// fhirPackageAddCmd adds packages.
type fhirPackageAddCmd struct {
	Files []string `arg:"" type:"existingfile" help:"Packages, .tgz."`
}

// Run adds them.
func (cmd fhirPackageAddCmd) Run(c *console) error {
	var added []app.Guide
	for _, file := range cmd.Files {
		g, err := addGuide(c, file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		added = append(added, g)
	}
	return printGuides(c, added)
}

func addGuide(c *console, file string) (app.Guide, error) {
	f, err := os.Open(file)
	if err != nil {
		return app.Guide{}, err
	}
	defer f.Close()
	return app.AddGuide(c.guides(), f)
}

// fhirPackageListCmd lists packages.
type fhirPackageListCmd struct{}

// Run lists them.
func (fhirPackageListCmd) Run(c *console) error {
	_, list, err := app.LoadGuides(c.guides(), nil)
	if err != nil {
		return err
	}
	return printGuides(c, list)
}

// fhirPackageRemoveCmd removes a package.
type fhirPackageRemoveCmd struct {
	Name string `arg:"" help:"NAME, or NAME#VERSION."`
}

// Run removes it.
func (cmd fhirPackageRemoveCmd) Run(c *console) error {
	gone, err := app.RemoveGuide(c.guides(), cmd.Name)
	if err != nil {
		return err
	}
	return printGuides(c, gone)
}
