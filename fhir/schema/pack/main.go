// Command pack makes the file of FHIR definitions that is part of the program,
// fhir/schema/r4.pack, from the bundles of definitions that HL7 publishes. It
// keeps facts and leaves out prose.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

func main() {
	from := flag.String("from", "", "folder with profiles-resources.json and the other bundles")
	to := flag.String("to", "", "file to write")
	flag.Parse()
	if err := run(*from, *to); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// object is a JSON object as it comes.
type object = map[string]any

// bundles are the files that are read, in this order; where two define the same
// address, the first wins.
var bundles = [...]string{
	"profiles-types.json", "profiles-resources.json", "profiles-others.json", "extension-definitions.json",
	"valuesets.json", "v3-codesystems.json", "v2-tables.json", "conceptmaps.json",
}

func run(from, to string) error {
	if from == "" || to == "" {
		return errors.New("both -from and -to are needed")
	}
	var all []object
	for _, name := range bundles {
		rs, err := readBundle(filepath.Join(from, name))
		if err != nil {
			return err
		}
		all = append(all, rs...)
	}
	params, err := readBundle(filepath.Join(from, "search-parameters.json"))
	if err != nil {
		return err
	}
	types, err := typeTable(all)
	if err != nil {
		return err
	}
	parts := []schema.PackSection{
		{Name: "types", Data: []byte(types)},
		{Name: "params", Data: []byte(paramTable(params))},
		{Name: "compartments", Data: []byte(compartmentTable(all))},
	}
	defs, err := definitions(all)
	if err != nil {
		return err
	}
	out, err := schema.WritePack(append(parts, defs...))
	if err != nil {
		return err
	}
	fmt.Printf("%d definitions, %d parameters, %d bytes\n", len(all), len(params), len(out))
	return os.WriteFile(to, out, 0o600)
}

func readBundle(name string) ([]object, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var bundle struct {
		Entry []struct{ Resource json.RawMessage }
	}
	if err := json.Unmarshal(b, &bundle); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	out := make([]object, 0, len(bundle.Entry))
	for _, e := range bundle.Entry {
		o, err := decode(e.Resource)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if v := text(o, "fhirVersion"); v != "" && v != "4.0.1" {
			continue // of a later release: SubscriptionStatus
		}
		out = append(out, o)
	}
	return out, nil
}
