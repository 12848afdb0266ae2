package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/app"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/devices/iomt"
)

// A mappingPair is the pair of mapping files of an IoMT connector.
type mappingPair struct {
	name          string // of the folder
	content, fhir []byte
}

// A mappingRole says which file of a pair a file is.
type mappingRole uint8

const (
	noMapping mappingRole = iota
	deviceMapping
	fhirMapping
)

// roleOf tells which file of a pair a file is, by its name, else by what its
// root says that it is.
func roleOf(file string, text []byte) mappingRole {
	switch strings.ToLower(filepath.Base(file)) {
	case iomt.DeviceFile:
		return deviceMapping
	case iomt.FHIRFile:
		return fhirMapping
	}
	if filepath.Ext(file) != ".json" {
		return noMapping
	}
	lower := strings.ToLower(string(text))
	switch {
	case strings.Contains(lower, `"collectioncontent`):
		return deviceMapping
	case strings.Contains(lower, `"collectionfhir`):
		return fhirMapping
	}
	return noMapping
}

// readMapping reads the pair in a folder.
func readMapping(dir string) (mappingPair, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return mappingPair{}, fmt.Errorf("read mapping: %w", err)
	}
	p := mappingPair{name: filepath.Base(abs)}
	if p.content, err = os.ReadFile(filepath.Join(dir, iomt.DeviceFile)); err != nil {
		return p, fmt.Errorf("read mapping: %w", err)
	}
	if p.fhir, err = os.ReadFile(filepath.Join(dir, iomt.FHIRFile)); err != nil {
		return p, fmt.Errorf("read mapping: %w", err)
	}
	return p, nil
}

// profile makes a profile of the pair and lists its problems.
func (p mappingPair) profile() (*devices.Profile, []devices.Problem) {
	return iomt.ReadFolder(devices.Folder{Name: p.name, Files: map[string][]byte{iomt.DeviceFile: p.content, iomt.FHIRFile: p.fhir}})
}

// isDir tells whether a path is a folder.
func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// wrongIn returns the problems that are more than warnings.
func wrongIn(problems []devices.Problem) []devices.Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p devices.Problem) bool { return p.Warning })
}

// install puts the pair into the folder of profiles of the data folder, where
// the server finds it within a second, and returns the name of its profile. A
// pair that is there already is not written again; another one of the same name
// gets a name of its own.
func (p mappingPair) install(c *console) (string, error) {
	root := (&app.Config{Data: c.data}).Profiles()
	name := p.name
	if have, err := readMapping(filepath.Join(root, name)); err == nil && !p.same(have) {
		sum := sha256.Sum256(slices.Concat(p.content, []byte{0}, p.fhir))
		name += "-" + hex.EncodeToString(sum[:4])
	}
	if have, err := readMapping(filepath.Join(root, name)); err == nil && p.same(have) {
		return name, nil
	}
	if !vigil.ValidID(name) {
		return "", fmt.Errorf("%q cannot be the name of a profile; rename the folder", name)
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return "", fmt.Errorf("install mapping: %w", err)
	}
	staged, err := os.MkdirTemp(root, ".mapping-*")
	if err != nil {
		return "", fmt.Errorf("install mapping: %w", err)
	}
	for file, text := range map[string][]byte{iomt.DeviceFile: p.content, iomt.FHIRFile: p.fhir} {
		if err := os.WriteFile(filepath.Join(staged, file), text, 0o600); err != nil {
			return "", fmt.Errorf("install mapping: %w", err)
		}
	}
	if err := os.Rename(staged, filepath.Join(root, name)); err != nil {
		return "", fmt.Errorf("install mapping: %w", err)
	}
	return name, nil
}

// same tells whether two pairs are the same.
func (p mappingPair) same(o mappingPair) bool {
	return string(p.content) == string(o.content) && string(p.fhir) == string(o.fhir)
}

// The server looks for new profiles once a second.
const (
	waitForProfile = 10 * time.Second
	askForProfile  = 100 * time.Millisecond
)

// bindMapping checks the pair in a folder, puts it where the server finds it,
// and returns the name of its profile once the server has it.
func bindMapping(c *console, dir string) (string, error) {
	p, err := readMapping(dir)
	if err != nil {
		return "", err
	}
	_, problems := p.profile()
	for _, pr := range problems {
		fmt.Fprintln(c.err, problemText(dir, pr))
	}
	if n := len(wrongIn(problems)); n > 0 {
		return "", fmt.Errorf("the mapping has %d problem(s)", n)
	}
	cl := c.client()
	var list struct{} // is a server there at all?
	if err := cl.call(c.ctx, http.MethodGet, "/api/v1/profiles", nil, &list); err != nil {
		return "", err
	}
	name, err := p.install(c)
	if err != nil {
		return "", err
	}
	for deadline := time.Now().Add(waitForProfile); ; {
		err = cl.call(c.ctx, http.MethodGet, "/api/v1/profiles/"+url.PathEscape(name), nil, &list)
		if err == nil || time.Now().After(deadline) {
			return name, err
		}
		select {
		case <-c.ctx.Done():
			return "", c.ctx.Err()
		case <-time.After(askForProfile):
		}
	}
}
