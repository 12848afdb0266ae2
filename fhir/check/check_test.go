package check

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

const data = "../../../shared/data/"

func checker() *Checker { return New(schema.R4(), terms.New(schema.R4())) }

func examples(t testing.TB, dir string) map[string][]byte {
	files, _ := filepath.Glob(filepath.Join(data, dir, "*.json"))
	if len(files) == 0 {
		t.Skip("no examples in " + data + dir)
	}
	out := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b[:min(len(b), 4000)]), `"resourceType"`) {
			out[filepath.Base(f)] = b
		}
	}
	return out
}

// wrong are examples of the specification that break it, with the reason. All
// are accepted when written; only who asks for everything hears of it.
var wrong = map[string]string{
	"Observation-clinical-gender.json target":                 "an Encounter performs nothing",
	"DeviceMetric-example.json target":                        "the parent is a DeviceDefinition, not a Device",
	"MedicationRequest-medrx0301.json target":                 "a dispenser must be an Organization",
	"DeviceUseStatement-example.json target":                  "a Procedure is no reason",
	"Questionnaire-zika-virus-exposure-assessment.json txt-2": "the narrative is empty",
	"ActivityDefinition-heart-valve-replacement.json txt-2":   "the narrative is empty",
	"EventDefinition-example.json txt-2":                      "the narrative is empty",
	"ActivityDefinition-blood-tubes-supply.json txt-2":        "the narrative is empty",
	"Bundle-father.json code":                                 "UCUM has no tbl",
	"Claim-760151.json code":                                  "UCUM has no TAB",
	"Claim-760152.json code":                                  "UCUM has no TAB",
	"Medication-med0304.json code":                            "orderableDrugForm has no Tab",
	"Medication-med0309.json code":                            "orderableDrugForm has no Tab",
	"MedicationAdministration-medadmin0312.json code":         "orderableDrugForm has no patch",
	"MedicationDispense-meddisp0301.json code":                "orderableDrugForm has no Vial",
	"MedicationDispense-meddisp0309.json code":                "UCUM has no drop",
	"MedicationDispense-meddisp0313.json code":                "UCUM has no mEq",
	"MedicationDispense-meddisp0318.json code":                "UCUM has no mcg",
	"MedicationDispense-meddisp0324.json code":                "UCUM has no ea",
	"MedicationDispense-meddisp0325.json code":                "orderableDrugForm has no patch",
	"MedicationDispense-meddisp0327.json code":                "UCUM has no ea",
	"MedicationDispense-meddisp0328.json code":                "UCUM has no ea",
	"MedicationDispense-meddisp0329.json code":                "UCUM has no ea",
	"MedicationRequest-medrx0304.json code":                   "UCUM has no drop",
	"MedicationRequest-medrx0313.json code":                   "orderableDrugForm has no Tab",
	"MedicationRequest-medrx0314.json code":                   "orderableDrugForm has no Tab; UCUM has no mcg",
	"MedicationRequest-medrx0319.json code":                   "UCUM has no ml/hr",
	"MedicationRequest-medrx0322.json code":                   "UCUM has no mEq",
	"MedicationRequest-medrx0325.json code":                   "UCUM has no ea",
	"MedicationRequest-medrx0326.json code":                   "UCUM has no ea",
	"MedicationRequest-medrx0327.json code":                   "orderableDrugForm has no patch",
	"MedicationRequest-medrx0328.json code":                   "UCUM has no ea",
	"MedicationRequest-medrx0329.json code":                   "UCUM has no ea",
	"MedicationRequest-medrx0334.json code":                   "UCUM has no ea",
	"MedicationRequest-medrx0335.json code":                   "UCUM has no ea",
	"MedicationStatement-example001.json code":                "orderableDrugForm has no Tab",
	"MedicationStatement-example002.json code":                "orderableDrugForm has no Tab",
	"MedicationStatement-example003.json code":                "orderableDrugForm has no tab",
	"VisionPrescription-33124.json code":                      "UCUM has no month",
}

// notR4 are files of test suites that are meant to be, or happen to be, no good
// resources of R4.
var notR4 = map[string]string{
	"myconsent-resource.json":           "Consent of R5",
	"patient-container-example.json":    "a reference and an organization that only GraphQL is tried with",
	"r4-caredove-bundle.json":           "made wrong for a test of FHIRPath",
	"bundle-with-no-type.json":          "made wrong for a test of FHIRPath",
	"explanationofbenefit-example.json": "only a few elements, for a test of FHIRPath",
	"bundle-questionnaire.json":         "items without linkId, as DSTU2 had them",
	"codesystem-example.json":           "the same code twice",
}

// accepted checks that examples have no errors at a level, but those that are
// known to be wrong.
func accepted(t *testing.T, c *Checker, all map[string][]byte, level Level) {
	t.Helper()
	for name, b := range all {
		doc, err := tree.Parse(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		issues := c.Check(doc, Options{Level: level})
		if notR4[name] != "" {
			if !Failed(issues) {
				t.Errorf("%s: accepted, but %s", name, notR4[name])
			}
			continue
		}
		for _, i := range issues {
			if i.Severity >= Error && (level < Profiles || wrong[name+" "+i.Key] == "") {
				t.Errorf("%s:%d:%d: %s %s: %s (%s)", name, i.Line, i.Col, i.Severity, i.Expression, i.Message, i.Key)
			}
		}
	}
}

func TestExamplesOfTheSpecification(t *testing.T) {
	all := examples(t, "fhir-r4-examples")
	accepted(t, checker(), all, Rules)
	accepted(t, checker(), all, Profiles)
}

func TestExamplesOfTheSuites(t *testing.T) {
	accepted(t, checker(), examples(t, "fhir-test-cases/r4"), Rules)
	accepted(t, checker(), examples(t, "fhir-test-cases/r4/examples"), Rules)
}

func TestExamplesOfPersonalHealthDevices(t *testing.T) {
	accepted(t, checker(), examples(t, "phd/input/examples"), Profiles)
}

// Many at a time get what one gets.
func TestManyAtATime(t *testing.T) {
	c, all := checker(), examples(t, "fhir-r4-examples")
	var docs []*tree.Doc
	for _, b := range all {
		if len(b) < 8000 && len(docs) < 60 {
			docs = append(docs, parse(t, string(b)))
		}
	}
	want := make([]string, len(docs))
	for i, d := range docs {
		want[i] = string(AppendOutcome(nil, c.Check(d, Options{Level: Profiles})))
	}
	var wg sync.WaitGroup
	fresh := checker()
	for range 4 {
		wg.Go(func() {
			for i, d := range docs {
				if got := string(AppendOutcome(nil, fresh.Check(d, Options{Level: Profiles}))); got != want[i] {
					t.Errorf("got %s, want %s", got, want[i])
				}
			}
		})
	}
	wg.Wait()
}
