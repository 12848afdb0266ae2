package check

import (
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

func TestAnswersOfTheExamples(t *testing.T) {
	all := examples(t, "fhir-r4-examples")
	found := 0
	for name, b := range all {
		if !strings.HasPrefix(name, "QuestionnaireResponse-") {
			continue
		}
		o := Options{Level: Profiles, Resolver: func(ref string) *tree.Doc {
			r, _ := ParseReference(ref)
			q := all["Questionnaire-"+r.ID+".json"]
			if q == nil {
				return nil
			}
			found++
			return parse(t, string(q))
		}}
		for _, i := range checker().Check(parse(t, string(b)), o) {
			if i.Severity >= Error {
				t.Errorf("%s: %s: %s", name, i.Expression, i.Message)
			}
		}
	}
	if found == 0 {
		t.Error("no questionnaire was found")
	}
}

const questionnaire = `{"resourceType":"Questionnaire","id":"q","status":"active","item":[
	{"linkId":"g","type":"group","required":true,"item":[
		{"linkId":"s","type":"string","maxLength":3,"required":true},
		{"linkId":"c","type":"choice","answerOption":[{"valueCoding":{"system":"http://x.org","code":"a"}},{"valueInteger":7}]},
		{"linkId":"o","type":"open-choice","repeats":true,"answerValueSet":"http://hl7.org/fhir/ValueSet/administrative-gender"},
		{"linkId":"w","type":"integer","required":true,"enableWhen":[{"question":"s","operator":"exists","answerBoolean":true}]}]},
	{"linkId":"d","type":"display"}]}`

func TestAnswers(t *testing.T) {
	c := checker()
	for items, want := range map[string]string{
		`{"linkId":"s","answer":[{"valueString":"abc"}]}`:                                                                              "",
		`{"linkId":"s","answer":[{"valueString":"abcd"}]}`:                                                                             "item[0].item[0].answer[0] max-length",
		`{"linkId":"s","answer":[{"valueInteger":1}]}`:                                                                                 "item[0].item[0].answer[0] answer",
		`{"linkId":"s","answer":[{"valueString":"a"},{"valueString":"b"}]}`:                                                            "item[0].item[0].answer[1] repeats",
		`{"linkId":"s","answer":[{"valueString":"a"}]},{"linkId":"x"}`:                                                                 "item[0].item[1] link-id",
		`{"linkId":"s","answer":[{"valueString":"a"}]},{"linkId":"s","answer":[{"valueString":"a"}]}`:                                  "item[0].item[1] answers",
		`{"linkId":"c","answer":[{"valueInteger":7}]}`:                                                                                 "item[0] answer",
		`{"linkId":"s","answer":[{"valueString":"a"}]},{"linkId":"c","answer":[{"valueInteger":8}]}`:                                   "item[0].item[1].answer[0] answer",
		`{"linkId":"s","answer":[{"valueString":"a"}]},{"linkId":"c","answer":[{"valueCoding":{"system":"http://x.org","code":"b"}}]}`: "item[0].item[1].answer[0] answer",
		`{"linkId":"s","answer":[{"valueString":"a"}]},{"linkId":"o","answer":[{"valueCoding":{"system":"http://hl7.org/fhir/administrative-gender","code":"male"}},{"valueString":"x"}]}`: "",
		`{"linkId":"s","answer":[{"valueString":"a"}]},{"linkId":"o","answer":[{"valueCoding":{"system":"http://hl7.org/fhir/administrative-gender","code":"mail"}}]}`:                     "item[0].item[1].answer[0] answer",
	} {
		body := `{"resourceType":"QuestionnaireResponse","status":"completed","questionnaire":"#q","contained":[` + questionnaire + `],"item":[{"linkId":"g","item":[` + items + `]},{"linkId":"d"}]}`
		got := c.Check(parse(t, body), Options{Level: Profiles})
		expression, key := split(want)
		if want == "" && Failed(got) || want != "" && !one(got, "QuestionnaireResponse."+expression, key) {
			t.Errorf("%s: got %+v, want %q", items, got, want)
		}
	}
	body := `{"resourceType":"QuestionnaireResponse","status":"STATUS","questionnaire":"#q","contained":[` + questionnaire + `]}`
	for status, want := range map[string]bool{"in-progress": false, "completed": true} {
		got := c.Check(parse(t, strings.Replace(body, "STATUS", status, 1)), Options{Level: Profiles})
		if one(got, "QuestionnaireResponse", "answer") != want {
			t.Errorf("%s: got %+v", status, got)
		}
	}
}
