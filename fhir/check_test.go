package fhir

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shapes are the elements of the R4 types that the tests meet
// (http://hl7.org/fhir/R4/, the definition of each type): name:type, with * for
// lists and ! for what must be there. The examples of the standard prove them.
var shapes = map[string]string{
	"Resource": "resourceType:code! id:id meta:Meta implicitRules:uri language:code",
	"Domain":   "text:Narrative contained:Any* extension:Extension* modifierExtension:Extension*",
	"Element":  "id:string extension:Extension*",
	"Observation": "identifier:Identifier* basedOn:Reference* partOf:Reference* status:code! category:CodeableConcept* code:CodeableConcept! " +
		"subject:Reference focus:Reference* encounter:Reference effectiveDateTime:dateTime effectivePeriod:Period effectiveTiming:Any " +
		"effectiveInstant:instant issued:instant performer:Reference* $value dataAbsentReason:CodeableConcept interpretation:CodeableConcept* " +
		"note:Annotation* bodySite:CodeableConcept method:CodeableConcept specimen:Reference device:Reference referenceRange:Any* " +
		"hasMember:Reference* derivedFrom:Reference* component:Component*",
	"Component": "modifierExtension:Extension* code:CodeableConcept! $value dataAbsentReason:CodeableConcept interpretation:CodeableConcept* referenceRange:Any*",
	"$value": "valueQuantity:Quantity valueCodeableConcept:CodeableConcept valueString:string valueBoolean:boolean valueInteger:integer " +
		"valueRange:Any valueRatio:Any valueSampledData:SampledData valueTime:time valueDateTime:dateTime valuePeriod:Period",
	"Patient": "identifier:Identifier* active:boolean name:HumanName* telecom:Any* gender:code birthDate:date deceasedBoolean:boolean " +
		"deceasedDateTime:dateTime address:Any* maritalStatus:CodeableConcept multipleBirthBoolean:boolean multipleBirthInteger:integer photo:Any* " +
		"contact:Any* communication:Any* generalPractitioner:Reference* managingOrganization:Reference link:Any*",
	"Device": "identifier:Identifier* definition:Reference udiCarrier:UDI* status:code statusReason:CodeableConcept* distinctIdentifier:string " +
		"manufacturer:string manufactureDate:dateTime expirationDate:dateTime lotNumber:string serialNumber:string deviceName:DeviceName* " +
		"modelNumber:string partNumber:string type:CodeableConcept specialization:Any* version:DeviceVersion* property:Any* patient:Reference " +
		"owner:Reference contact:Any* location:Reference url:uri note:Annotation* safety:CodeableConcept* parent:Reference",
	"UDI":           "deviceIdentifier:string issuer:uri jurisdiction:uri carrierAIDC:string carrierHRF:string entryType:code",
	"DeviceName":    "name:string! type:code!",
	"DeviceVersion": "type:CodeableConcept component:Identifier value:string!",
	"Bundle":        "identifier:Identifier type:code! timestamp:instant total:unsignedInt link:Link* entry:Entry* signature:Any",
	"Link":          "relation:string! url:uri!",
	"Entry":         "link:Link* fullUrl:uri resource:Any search:EntrySearch request:EntryRequest response:EntryResponse",
	"EntrySearch":   "mode:code score:decimal",
	"EntryRequest":  "method:code! url:uri! ifNoneMatch:string ifModifiedSince:instant ifMatch:string ifNoneExist:string",
	"EntryResponse": "status:string! location:uri etag:string lastModified:instant outcome:Any",

	"OperationOutcome": "issue:Issue*!",
	"Issue":            "severity:code! code:code! details:CodeableConcept diagnostics:string location:string* expression:string*",
	"CapabilityStatement": "url:uri version:string name:string title:string status:code! experimental:boolean date:dateTime! publisher:string contact:Any* " +
		"description:markdown useContext:Any* jurisdiction:CodeableConcept* purpose:markdown copyright:markdown kind:code! instantiates:canonical* " +
		"imports:canonical* software:Software implementation:Implementation fhirVersion:code! format:code*! patchFormat:code* " +
		"implementationGuide:canonical* rest:Rest* messaging:Any* document:Any*",
	"Software":       "name:string! version:string releaseDate:dateTime",
	"Implementation": "description:string! url:uri custodian:Reference",
	"Rest":           "mode:code! documentation:markdown security:Any resource:RestResource* interaction:Any* searchParam:SearchParam* operation:RestOperation* compartment:canonical*",
	"RestResource": "type:code! profile:canonical supportedProfile:canonical* documentation:markdown interaction:RestInteraction* versioning:code " +
		"readHistory:boolean updateCreate:boolean conditionalCreate:boolean conditionalRead:code conditionalUpdate:boolean conditionalDelete:code " +
		"referencePolicy:code* searchInclude:string* searchRevInclude:string* searchParam:SearchParam* operation:RestOperation*",
	"RestInteraction": "code:code! documentation:markdown",
	"SearchParam":     "name:string! definition:canonical type:code! documentation:markdown",
	"RestOperation":   "name:string! definition:canonical! documentation:markdown",
	"Meta":            "versionId:id lastUpdated:instant source:uri profile:canonical* security:Coding* tag:Coding*",
	"Narrative":       "status:code! div:xhtml!",
	"Identifier":      "use:code type:CodeableConcept system:uri value:string period:Period assigner:Reference",
	"Reference":       "reference:string type:uri identifier:Identifier display:string",
	"CodeableConcept": "coding:Coding* text:string",
	"Coding":          "system:uri version:string code:code display:string userSelected:boolean",
	"Quantity":        "value:decimal comparator:code unit:string system:uri code:code",
	"SampledData":     "origin:Quantity! period:decimal! factor:decimal lowerLimit:decimal upperLimit:decimal dimensions:positiveInt! data:string",
	"Period":          "start:dateTime end:dateTime",
	"Annotation":      "authorReference:Reference authorString:string time:dateTime text:markdown!",
	"HumanName":       "use:code text:string family:string given:string* prefix:string* suffix:string* period:Period",
	"Extension":       "url:uri! $any",
}

// primitives are the forms of the R4 primitive types (datatypes.html).
var primitives = map[string]*regexp.Regexp{
	"id":           regexp.MustCompile(`^[A-Za-z0-9\-.]{1,64}$`),
	"code":         regexp.MustCompile(`^[^\s]+(\s[^\s]+)*$`),
	"uri":          regexp.MustCompile(`^\S+$`),
	"canonical":    regexp.MustCompile(`^\S+$`),
	"string":       regexp.MustCompile(`(?s)^.*\S.*$`),
	"markdown":     regexp.MustCompile(`(?s)^.*\S.*$`),
	"xhtml":        regexp.MustCompile(`(?s)^<div.*</div>$`),
	"instant":      regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`),
	"dateTime":     regexp.MustCompile(`^\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?$`),
	"date":         regexp.MustCompile(`^\d{4}(-\d\d(-\d\d)?)?$`),
	"time":         regexp.MustCompile(`^\d\d:\d\d:\d\d(\.\d+)?$`),
	"decimal":      regexp.MustCompile(`^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$`),
	"integer":      regexp.MustCompile(`^-?(0|[1-9]\d*)$`),
	"unsignedInt":  regexp.MustCompile(`^(0|[1-9]\d*)$`),
	"positiveInt":  regexp.MustCompile(`^[1-9]\d*$`),
	"boolean":      regexp.MustCompile(`^(true|false)$`),
	"base64Binary": regexp.MustCompile(`^[A-Za-z0-9+/=\s]*$`),
}

// codes are the required bindings that we write into.
var codes = map[string]string{
	"Observation.status":  "registered preliminary final amended corrected cancelled entered-in-error unknown",
	"Quantity.comparator": "< <= >= >",
	"Issue.severity":      "fatal error warning information",
	"Issue.code": "invalid structure required value invariant security login unknown expired forbidden suppressed processing not-supported " +
		"duplicate multiple-matches not-found deleted too-long code-invalid extension too-costly business-rule conflict transient lock-error " +
		"no-store exception timeout incomplete throttled informational",
	"Bundle.type":             "document message transaction transaction-response batch batch-response history searchset collection",
	"EntrySearch.mode":        "match include outcome",
	"EntryRequest.method":     "GET HEAD POST PUT DELETE PATCH",
	"Patient.gender":          "male female other unknown",
	"Device.status":           "active inactive entered-in-error unknown",
	"DeviceName.type":         "udi-label-name user-friendly-name patient-reported-name manufacturer-name model-name other",
	"RestInteraction.code":    "read vread update patch delete history-instance history-type create search-type",
	"SearchParam.type":        "number date string token reference composite quantity uri special",
	"RestResource.versioning": "no-version versioned versioned-update",
	"Identifier.use":          "usual official temp secondary old",
}

// checkResource says what is wrong with a resource.
func checkResource(v any) []string {
	m, ok := v.(map[string]any)
	name, _ := m["resourceType"].(string)
	if !ok || shapes[name] == "" {
		return []string{fmt.Sprintf("no type that the test knows: %v", m["resourceType"])}
	}
	faults := checkObject(name, m, name, shapes["Resource"]+" "+domain(name)+shapes[name])
	switch name {
	case "Bundle":
		entries, _ := m["entry"].([]any)
		for i, e := range entries {
			for _, f := range checkResource(dig(e, "resource")) {
				faults = append(faults, fmt.Sprintf("entry[%d]: %s", i, f))
			}
		}
	case "Observation":
		faults = append(faults, checkObservation(m)...)
	}
	return faults
}

func domain(name string) string {
	if name == "Bundle" {
		return ""
	}
	return shapes["Domain"] + " "
}

func checkObject(path string, m map[string]any, kind, shape string) []string {
	shape = strings.ReplaceAll(shape, "$value", shapes["$value"])
	known := map[string]string{}
	var faults []string
	open := false
	for _, f := range strings.Fields(shape) {
		name, of, _ := strings.Cut(f, ":")
		open = open || name == "$any"
		known[name] = of
		if must := strings.HasSuffix(of, "!"); must && m[name] == nil && m["_"+name] == nil {
			faults = append(faults, path+"."+name+" is missing")
		}
	}
	for name, v := range m {
		of, ok := known[strings.TrimPrefix(name, "_")]
		switch {
		case !ok && open, strings.HasPrefix(name, "_") && ok:
		case !ok:
			faults = append(faults, path+"."+name+" is no element of "+kind)
		default:
			faults = append(faults, checkValue(path+"."+name, kind+"."+name, v, strings.TrimSuffix(of, "!"))...)
		}
	}
	return faults
}

func checkValue(path, element string, v any, of string) []string {
	if list, ok := strings.CutSuffix(of, "*"); ok {
		items, ok := v.([]any)
		if !ok || len(items) == 0 {
			return []string{path + " is no list, or empty"}
		}
		var faults []string
		for i, x := range items {
			if x != nil {
				faults = append(faults, checkValue(fmt.Sprintf("%s[%d]", path, i), element, x, list)...)
			}
		}
		return faults
	}
	if of == "Any" {
		return nil
	}
	if re, ok := primitives[of]; ok {
		return checkPrimitive(path, element, v, of, re)
	}
	m, ok := v.(map[string]any)
	if !ok || len(m) == 0 {
		return []string{path + " is no object, or empty"}
	}
	return checkObject(path, m, of, shapes["Element"]+" "+shapes[of])
}

func checkPrimitive(path, element string, v any, of string, re *regexp.Regexp) []string {
	text := fmt.Sprint(v)
	number := of == "decimal" || of == "integer" || of == "unsignedInt" || of == "positiveInt"
	_, isNumber := v.(json.Number)
	_, isBool := v.(bool)
	if number != isNumber || (of == "boolean") != isBool || !re.MatchString(text) {
		return []string{fmt.Sprintf("%s: %q is no %s", path, text, of)}
	}
	if want, ok := codes[element]; ok && !strings.Contains(" "+want+" ", " "+text+" ") {
		return []string{fmt.Sprintf("%s: %q is not one of %s", path, text, want)}
	}
	return nil
}

// checkObservation knows the invariants obs-6 and obs-7.
func checkObservation(m map[string]any) []string {
	var faults []string
	value := func(m map[string]any) bool {
		for k := range m {
			if strings.HasPrefix(k, "value") {
				return true
			}
		}
		return false
	}
	if value(m) && m["dataAbsentReason"] != nil {
		faults = append(faults, "obs-6: a value and a reason for its absence")
	}
	parts, _ := m["component"].([]any)
	for i, c := range parts {
		c := c.(map[string]any)
		if value(c) == (c["dataAbsentReason"] != nil) && c["_valueDateTime"] == nil {
			faults = append(faults, fmt.Sprintf("component[%d]: needs a value or the reason for its absence", i))
		}
	}
	return faults
}

// TestTheCheckerKnowsR4 lets the checker judge the examples of the standard,
// and broken ones.
func TestTheCheckerKnowsR4(t *testing.T) {
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		if _, e := os.Stat(filepath.Join(dir, "shared", "data", "fhir-r4-examples")); e == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	seen := 0
	for _, name := range []string{"Observation", "Patient", "Device"} {
		files, _ := filepath.Glob(filepath.Join(dir, "shared", "data", "fhir-r4-examples", name+"-*.json"))
		for _, file := range files {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			d := json.NewDecoder(f)
			d.UseNumber()
			var v map[string]any
			if err := d.Decode(&v); err != nil {
				t.Fatal(err)
			}
			for _, fault := range checkResource(v) {
				t.Errorf("%s: %s", filepath.Base(file), fault)
			}
			seen++
			f.Close()
		}
	}
	for _, broken := range []string{
		`{"resourceType":"Observation","code":{"text":"x"}}`,
		`{"resourceType":"Observation","status":"fine","code":{"text":"x"}}`,
		`{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":"7"}}`,
		`{"resourceType":"Observation","status":"final","code":{"text":"x"},"issued":"2026-01-01"}`,
		`{"resourceType":"Observation","status":"final","code":{"text":"x"},"category":{}}`,
		`{"resourceType":"Observation","status":"final","code":{"text":"x"},"valu":1}`,
		`{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueString":"x","dataAbsentReason":{"text":"x"}}`,
		`{"resourceType":"Patient","id":"a_b"}`,
		`{"resourceType":"OperationOutcome"}`,
	} {
		d := json.NewDecoder(strings.NewReader(broken))
		d.UseNumber()
		var v map[string]any
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		if len(checkResource(v)) == 0 {
			t.Errorf("the checker finds nothing wrong with %s", broken)
		}
	}
	if seen == 0 {
		t.Skip("the examples of the standard are not beside the repository (shared/data/fhir-r4-examples)")
	}
	t.Logf("%d examples of the standard pass", seen)
}
