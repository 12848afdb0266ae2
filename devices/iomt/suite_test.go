package iomt

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/devices"
)

// suiteDir finds the mapping files of microsoft/iomt-fhir beside the repository.
func suiteDir(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if found := filepath.Join(dir, "..", "shared", "data", "iomt-fhir"); isDir(found) {
			return found
		}
	}
	t.Skip("the mapping suite ../shared/data/iomt-fhir is not here")
	return ""
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

const (
	unit      = "test/Microsoft.Health.Fhir.Ingest.Template.UnitTests/TestInput/data_"
	validator = "test/Microsoft.Health.Fhir.Ingest.Validation.UnitTests/TestInput/data_"
	generator = "tools/mapping-generator/Microsoft.Health.Fhir.Ingest.Template.Generator.Tests/"
)

// What a file of the suite is.
const (
	contentFile  = iota // devicecontent.json
	contentOne          // one template of it
	fhirFile            // fhirmapping.json
	fhirOne             // one template of it
	contentParts        // an array of templates without their collection
	message             // a message, or a part of a template; read by other tests
)

// expectations says of each file of the suite what it is and, where that
// project's tests say that it is invalid, what must be said about it.
func expectations() map[string]struct {
	what int
	want []string
} {
	type x = struct {
		what int
		want []string
	}
	return map[string]x{
		"sample/templates/basic/devicecontent.json":           {contentFile, nil},
		"sample/templates/basic/fhirmapping.json":             {fhirFile, nil},
		"sample/templates/healthkitOnFhir/devicecontent.json": {contentFile, nil},
		"sample/templates/healthkitOnFhir/fhirmapping.json":   {fhirFile, nil},
		"sample/templates/sandbox/devicecontent.json":         {contentFile, nil},
		"sample/templates/sandbox/fhirmapping.json":           {fhirFile, nil},
		"sample/templates/sandbox/legacy/devicecontent.json":  {contentFile, nil},

		unit + "JsonPathContentTemplateValid.json":                                {contentOne, nil},
		unit + "JsonPathContentTemplateValidWithOptional.json":                    {contentOne, nil},
		unit + "JsonPathContentTemplateInvalidMissingExpression.json":             {contentOne, []string{"deviceIdExpression is missing", "timestampExpression is missing"}},
		unit + "IotJsonPathContentTemplateValid.json":                             {contentOne, nil},
		unit + "IotJsonPathContentTemplateValidWithOptional.json":                 {contentOne, nil},
		unit + "IotJsonPathContentTemplateInvalidMissingTypeMetadata.json":        {contentOne, []string{"typeName is missing", "typeMatchExpression is missing"}},
		unit + "IotJsonPathContentTemplateInvalidMissingValueField.json":          {contentOne, []string{"valueName is missing"}},
		unit + "IotCentralJsonPathContentTemplateValid.json":                      {contentOne, nil},
		unit + "IotCentralJsonPathContentTemplateValidWithOptional.json":          {contentOne, nil},
		unit + "IotCentralJsonPathContentTemplateInvalidMissingTypeMetadata.json": {contentOne, []string{"typeName is missing", "typeMatchExpression is missing"}},
		unit + "IotCentralJsonPathContentTemplateInvalidMissingValueField.json":   {contentOne, []string{"valueName is missing"}},
		unit + "CalculatedFunctionContentTemplateValid.json":                      {contentOne, nil},
		unit + "CalculatedFunctionContentTemplateValidExpressionObject.json":      {contentOne, nil},
		unit + "CalculatedFunctionContentTemplateValidOptional.json":              {contentOne, nil},
		unit + "CalculatedFunctionContentTemplateValidInvalidAndMissingMembers.json": {contentOne, []string{
			`no member "typeMatchExpressionFake"`, `no member "deviceIdExpressionFake"`, "typeMatchExpression is missing", "deviceIdExpression is missing"}},
		unit + "CollectionContentTemplateHrAndSteps.json":                 {contentFile, nil},
		unit + "CollectionContentTemplateHrAndStepsJmesPath.json":         {contentFile, nil},
		unit + "CollectionContentTemplateMixed.json":                      {contentFile, nil},
		unit + "CollectionContentTemplateMultipleIotCentralJsonPath.json": {contentFile, nil},
		unit + "CollectionContentTemplateEmptyWithType.json":              {contentFile, nil},
		unit + "CollectionContentTemplateEmpty.json":                      {contentFile, []string{"templateType is empty"}},
		unit + "CollectionContentTemplateInvalid.json":                    {contentFile, []string{"deviceIdExpression is missing", "timestampExpression is missing", "typeMatchExpression is missing"}},
		unit + "CollectionContentTemplateMixedValidity.json":              {contentFile, []string{"typeMatchExpression is missing"}},
		unit + "CollectionContentTemplateMultipleMocks.json":              {contentFile, []string{`no template type "mocka"`, `no template type "mockb"`}},
		unit + "InvalidCollectionContentTemplateWithNoTemplateArray.json": {contentFile, []string{"should be an array"}},
		unit + "InvalidTemplateType.json":                                 {contentFile, []string{"should be CollectionContent"}},
		unit + "InvalidJson.txt":                                          {contentFile, []string{"line 3 column 1", "not JSON"}},

		unit + "CodeValueFhirTemplate_Quantity.json":                                                  {fhirOne, nil},
		unit + "CodeValueFhirTemplate_SampledData.json":                                               {fhirOne, nil},
		unit + "CodeValueFhirTemplate_String.json":                                                    {fhirOne, nil},
		unit + "CodeValueFhirTemplate_CodeableConceptData.json":                                       {fhirOne, nil},
		unit + "CodeValueFhirTemplate_CodeableConceptAndStringComponent.json":                         {fhirOne, nil},
		unit + "CodeValueFhirTemplate_Components.json":                                                {fhirOne, nil},
		unit + "CodeValueFhirTemplateInvalid_MissingCodeField.json":                                   {fhirOne, []string{"codes is missing"}},
		unit + "CodeValueFhirTemplateInvalid_MissingFields.json":                                      {fhirOne, []string{"typeName is missing"}},
		unit + "CollectionFhirTemplateValid.json":                                                     {fhirFile, nil},
		unit + "CollectionFhirTemplateMixed.json":                                                     {contentFile, nil}, // device content in spite of its name
		unit + "CollectionFhirTemplateMixedValidity.json":                                             {fhirFile, []string{"typeName is missing"}},
		unit + "CollectionFhirTemplateInvalid.json":                                                   {fhirFile, []string{"typeName is missing", "valueType is missing", "typeName is empty", `second template for the type "steps"`}},
		unit + "CollectionFhirTemplateEmptyWithType.json":                                             {fhirFile, nil},
		unit + "CollectionFhirTemplateEmpty.json":                                                     {fhirFile, []string{"templateType is empty"}},
		unit + "CollectionFhirTemplateMultipleMocks.json":                                             {fhirFile, []string{`no template type "mocka"`}},
		unit + "InvalidCollectionFhirTemplateWithNoTemplateArray.json":                                {fhirFile, []string{"should be an array"}},
		"test/Microsoft.Health.Fhir.Ingest.UnitTests/TestInput/data_CodeValueFhirTemplate_Valid.json": {fhirFile, []string{"templateType is missing"}},

		validator + "CollectionContentTemplateHrAndBloodPressureValid.json": {contentFile, nil},
		validator + "CollectionContentTemplateInvalid.json":                 {contentFile, []string{"deviceIdExpression is missing"}},
		validator + "CollectionFhirTemplateValid.json":                      {fhirFile, nil},
		validator + "CollectionFhirTemplateMissingTypeInvalid.json":         {fhirFile, nil}, // odd beside its content: see TestLint
		validator + "CollectionFhirTemplateIncorrectValueNameInvalid.json":  {fhirFile, nil},
		validator + "CodeValueFhirTemplateInvalid_MissingFields.json":       {fhirFile, []string{"should be CollectionFhir"}},

		unit + "Documentation_CalculatedFunction_BloodPressure_Template.json":        {contentFile, nil},
		unit + "Documentation_CalculatedFunction_HeartRate_Template.json":            {contentFile, nil},
		unit + "Documentation_CalculatedFunction_MultipleMatches_Template.json":      {contentFile, nil},
		unit + "Documentation_CalculatedFunction_MultipleMeasurements_Template.json": {contentFile, nil},
		unit + "Documentation_CalculatedFunction_TransformData_Template.json":        {contentFile, nil},

		generator + "Expected/deviceData_BloodPressure.json":     {contentOne, nil},
		generator + "Expected/deviceData_HeartRate.json":         {contentOne, nil},
		generator + "Expected/deviceData_OxygenSaturation.json":  {contentOne, nil},
		generator + "Expected/deviceData_Projection.json":        {contentParts, nil},
		generator + "Expected/fhirMapping_BloodPressure.json":    {fhirOne, nil},
		generator + "Expected/fhirMapping_HeartRate.json":        {fhirOne, nil},
		generator + "Expected/fhirMapping_OxygenSaturation.json": {fhirOne, nil},
	}
}

// TestSuite reads every file of the suite: a valid one loads, an invalid one is
// refused with position and reason.
func TestSuite(t *testing.T) {
	dir := suiteDir(t)
	table := expectations()
	for name, x := range table {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		t.Run(filepath.Base(name), func(t *testing.T) { expect(t, load(x.what, text), x.want) })
	}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, p)
		if _, ok := table[filepath.ToSlash(name)]; !ok && !partOfAnother(name) {
			t.Errorf("%s is in no table", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// partOfAnother tells whether a file is no mapping: a message, or a list of
// codes or values for the generator.
func partOfAnother(name string) bool {
	for _, part := range []string{"Payload", "/Codes/", "/Values/", "Tests/TestInput/deviceData_"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// load reads a file of the suite.
func load(what int, text []byte) []devices.Problem {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	collect := func(kind string) []byte {
		return append(append([]byte(`{"templateType":"`+kind+`","template":[`), text...), "]}"...)
	}
	switch what {
	case contentFile:
		return ParseContent(text)
	case contentOne, contentParts:
		if what == contentParts {
			text = bytes.TrimSuffix(bytes.TrimPrefix(bytes.TrimSpace(text), []byte("[")), []byte("]"))
		}
		return ParseContent(collect("CollectionContent"))
	case fhirFile:
		return ParseFHIR(text)
	}
	return ParseFHIR(collect("CollectionFhir"))
}

// expect compares problems with what must be said.
func expect(t *testing.T, problems []devices.Problem, want []string) {
	t.Helper()
	all := ""
	for _, p := range problems {
		if p.Pos == "" {
			t.Errorf("%v has no position", p)
		}
		all += p.String() + "\n"
	}
	if len(want) == 0 && len(problems) > 0 {
		t.Errorf("refused:\n%s", all)
	}
	for _, w := range want {
		if !strings.Contains(all, w) {
			t.Errorf("want %q in:\n%s", w, all)
		}
	}
}

// TestSuiteMessages reads the suite's messages with the templates that its tests
// read them with. The expected measurements are those of that project's
// NormalizationTests and CalculatedFunctionContentTemplateDocumentationTests.
func TestSuiteMessages(t *testing.T) {
	dir := suiteDir(t)
	doc := unit + "Documentation_CalculatedFunction_"
	for _, c := range []struct{ template, message, want string }{
		{doc + "HeartRate_Template.json", doc + "HeartRate_Payload.json", `heartrate device123 2019-02-01T22:46:01.875Z hr=78`},
		{doc + "HeartRate_Template.json", doc + "MultipleMeasurements_FromArray_Payload.json",
			"heartrate device123 2019-02-01T20:46:01.875Z hr=78\nheartrate device123 2019-02-01T21:46:01.875Z hr=81\nheartrate device123 2019-02-01T22:46:01.875Z hr=72"},
		{doc + "BloodPressure_Template.json", doc + "BloodPressure_Payload.json", `bloodpressure device123 2019-02-01T22:46:01.875Z systolic=123 diastolic=87`},
		{doc + "MultipleMeasurements_Template.json", doc + "MultipleMeasurements_Payload.json",
			"heartrate device123 2019-02-01T22:46:01.875Z hr=78\nstepcount device123 2019-02-01T22:46:01.875Z steps=2"},
		{doc + "MultipleMatches_Template.json", doc + "MultipleMatches_Payload.json",
			"heartrate device123 2021-07-13T17:29:01.061144Z systolic=120 diastolic=80\nheartrate device123 2021-07-13T17:28:01.061122Z systolic=122 diastolic=82"},
		{doc + "TransformData_Template.json", doc + "TransformData_Payload.json",
			"heightInMeters device123 2019-02-01T22:46:01.875Z height=1.9812\nheightInMeters device123 2019-02-01T23:46:01.875Z height=1.9304"},
		{unit + "IotJsonPathContentTemplateValid.json", unit + "IotHubPayloadExample.json", "heartrate ev-d795-1d04-55ae 2019-01-30T22:45:02.607374Z hr=203"},
		{unit + "IotJsonPathContentTemplateValid.json", unit + "IotHubPayloadExampleMissingCreateTime.json", "heartrate ev-d795-1d04-55ae 2019-02-01T22:46:01.875Z hr=203"},
		{generator + "Expected/deviceData_BloodPressure.json", generator + "TestInput/deviceData_BloodPressure.json",
			"Blood Pressure TestDeviceId 2022-07-01T12:01:00Z patient TestPatientId encounter TestEncounter correlation TestCorrelation diastolic=79 systolic=119"},
		{generator + "Expected/deviceData_HeartRate.json", generator + "TestInput/deviceData_HeartRate.json",
			"Heart Rate TestDeviceId 2022-07-01T12:00:00Z patient TestPatientId encounter TestEncounter correlation TestCorrelation beatsPerMinute=66"},
		{unit + "CollectionContentTemplateMultipleIotCentralJsonPath.json", unit + "IotCentralPayloadExampleMultipleMessages.json",
			"heartrate 1qsi9p8t5l2 2021-06-08T19:45:20.222Z patient 1qsi9p8t5l2 hr=75|6"},
	} {
		t.Run(filepath.Base(c.message), func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(dir, c.template))
			if err != nil {
				t.Fatal(err)
			}
			text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
			if !bytes.Contains(text, []byte(`"CollectionContent"`)) {
				text = append(append([]byte(`{"templateType":"CollectionContent","template":[`), text...), "]}"...)
			}
			m, problems := Parse("suite", text, []byte(`{"templateType":"CollectionFhir","template":[]}`))
			if m == nil {
				t.Fatal(problems)
			}
			payload, err := os.ReadFile(filepath.Join(dir, c.message))
			if err != nil {
				t.Fatal(err)
			}
			found, refused := m.Measure(payload)
			if len(refused) > 0 {
				t.Errorf("refused: %v", refused)
			}
			got := show(found)
			if want, n, ok := strings.Cut(c.want, "|"); ok {
				if first := strings.Split(got, "\n")[0]; strings.Fields(first)[0] != strings.Fields(want)[0] || !strings.HasSuffix(first, "hr=75") || len(found) != 6 || n != "6" {
					t.Errorf("got %d measurements:\n%s", len(found), got)
				}
				return
			}
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// show writes measurements one a line.
func show(all []Measurement) string {
	var lines []string
	for _, x := range all {
		line := x.Type + " " + x.Device + " " + x.Time.String()
		for _, o := range []Named{{"patient", x.Patient}, {"encounter", x.Encounter}, {"correlation", x.Correlation}} {
			if o.Text != "" {
				line += " " + o.Name + " " + o.Text
			}
		}
		for _, v := range x.Values {
			line += " " + v.Name + "=" + v.Text
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// TestSamples reads the three sample pairs and messages made of all their types.
func TestSamples(t *testing.T) {
	dir := filepath.Join(suiteDir(t), "sample", "templates")
	for _, name := range []string{"basic", "healthkitOnFhir", "sandbox"} {
		m := pair(t, filepath.Join(dir, name), filepath.Join(dir, name))
		if len(m.order) < 5 {
			t.Errorf("%s: %v", name, m.order)
		}
	}
	m := pair(t, filepath.Join(dir, "sandbox", "legacy"), filepath.Join(dir, "sandbox"))
	var d devices.Decoded
	m.Decode(&d, "", []byte(`{"Body":{"HeartRate":61,"Systolic":120,"Diastolic":80},"Properties":{},
		"SystemProperties":{"iothub-connection-device-id":"d9","iothub-enqueuedtime":"2026-01-31T12:00:00Z"}}`))
	var got []string
	for i := range d.Readings {
		got = append(got, d.Readings[i].Metric.Name+" "+devices.RenderReading(&d.Readings[i]))
	}
	want := []string{"heartrate 61 /min", "bloodpressure-systolic 120 mm[Hg]", "bloodpressure-diastolic 80 mm[Hg]"}
	if !slices.Equal(got, want) || len(d.Speakers) != 1 || d.Speakers[0] != (devices.Speaker{Device: "d9", Patient: "d9", Readings: 3}) {
		t.Errorf("got %q from %+v, %v", got, d.Speakers, d.Refusals)
	}
	m.Decode(&d, "", []byte(`{"HeartRate":61}`)) // the hub is not there to say whose it is
	if n := len(d.Speakers); d.Speakers[n-1].Device != "" || d.Readings[len(d.Readings)-1].Stated != 0 {
		t.Errorf("a bare message: %+v", d.Speakers)
	}
}

func pair(t *testing.T, content, fhir string) *Mapping {
	t.Helper()
	a, errA := os.ReadFile(filepath.Join(content, DeviceFile))
	b, errB := os.ReadFile(filepath.Join(fhir, FHIRFile))
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	m, problems := Parse(filepath.Base(content), a, b)
	if m == nil {
		t.Fatal(problems)
	}
	return m
}

// TestLint asks that what is odd in valid pairs is said, and refuses nothing.
func TestLint(t *testing.T) {
	dir := suiteDir(t)
	read := func(name string) []byte {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	content := read(validator + "CollectionContentTemplateHrAndBloodPressureValid.json")
	for name, want := range map[string][]string{
		"CollectionFhirTemplateValid.json":                     {"clinically odd: diastolic is coded as loinc:8867-4"},
		"CollectionFhirTemplateMissingTypeInvalid.json":        {`type "bloodpressure" has no template`, `no device content gives the type "bloodpressureBadTypeName"`},
		"CollectionFhirTemplateIncorrectValueNameInvalid.json": {`value "systolic" of type "bloodpressure" is not in its template`},
	} {
		m, problems := Parse("x", content, read(validator+name))
		if m == nil {
			t.Errorf("%s was refused: %v", name, problems)
		}
		all := ""
		for _, p := range problems {
			all += p.String() + "\n"
			if !p.Warning || p.Pos == "" {
				t.Errorf("%s: %+v", name, p)
			}
		}
		for _, w := range want {
			if !strings.Contains(all, w) {
				t.Errorf("%s: want %q in\n%s", name, w, all)
			}
		}
	}
	_, problems := Parse("basic", read("sample/templates/basic/devicecontent.json"), read("sample/templates/basic/fhirmapping.json"))
	odd := 0
	for _, p := range problems {
		if strings.Contains(p.Msg, "clinically odd") {
			odd++
			if !strings.Contains(p.Msg, "diastolic") || p.Pos == "" {
				t.Errorf("odd: %v", p)
			}
		}
	}
	if odd != 1 {
		t.Errorf("%d oddities in %v", odd, problems)
	}
}
