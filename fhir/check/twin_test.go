package check

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// broken are the invariants that a checker finds broken, with how often.
func broken(c *Checker, doc *tree.Doc) map[string]int {
	out := map[string]int{}
	for _, i := range c.Check(doc, Options{Level: Profiles, Limit: 10000}) {
		if i.Code == "invariant" || i.Key == "ele-1" || strings.HasPrefix(i.Key, "dom-") {
			key := i.Key
			if key == "txt-2" { // their expressions are the same
				key = "txt-1"
			}
			out[key]++
		}
	}
	return out
}

// What the walk checks itself comes out as it does with the expressions, on
// all examples and on what is made wrong in them. Where the walk finds
// something, the plain checker finds it twice: by the walk and by the
// expression.
func TestTheWalkAgreesWithTheExpressions(t *testing.T) {
	set := schema.R4()
	c, plain := New(set, nil), build(set, nil, true)
	docs := examples(t, "fhir-r4-examples")
	names := make([]string, 0, len(docs))
	for name := range docs {
		names = append(names, name)
	}
	sort.Strings(names)
	keys := map[string]int{}
	for i, name := range names {
		if len(docs[name]) > 60000 || testing.Short() && i%10 != 0 {
			continue
		}
		compare(t, c, plain, name, docs[name], keys)
	}
	for i, text := range wrongOnPurpose {
		compare(t, c, plain, fmt.Sprint("case ", i), []byte(text), keys)
	}
	t.Log(len(names), keys)
	for _, key := range []string{"ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "ref-1", "txt-1", "bdl-7", "obs-6", "qty-3", "per-1"} {
		if keys[key] == 0 {
			t.Errorf("no case breaks %s", key)
		}
	}
}

func compare(t *testing.T, c, plain *Checker, name string, body []byte, keys map[string]int) {
	t.Helper()
	doc, err := tree.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	a, b := broken(c, doc), broken(plain, doc)
	for key, n := range b {
		keys[key] += n
		byWalk := walkedKeys[key]
		if byWalk && a[key] == 0 || !byWalk && a[key] != n {
			t.Errorf("%s: %s: the expressions find %d, the walk %d", name, key, n, a[key])
		}
	}
	for key, n := range a {
		if walkedKeys[key] && b[key] <= n && !silent[key] || b[key] == 0 {
			t.Errorf("%s: %s: the walk finds %d, the expressions %d", name, key, n, b[key]-n)
		}
	}
}

var walkedKeys = map[string]bool{
	"ele-1": true, "ext-1": true, "dom-2": true, "dom-3": true, "dom-4": true, "dom-5": true, "ref-1": true,
	"txt-1": true, "bdl-7": true, "sqty-1": true,
}

// silent are those whose expressions cannot be asked: where a value is empty or
// none, there is nothing to evaluate an invariant on; sqty-1 stands in a profile.
var silent = map[string]bool{"ele-1": true, "sqty-1": true}

var wrongOnPurpose = []string{
	`{"resourceType":"Patient","name":[{}]}`,
	`{"resourceType":"Patient","name":[{"id":"a"}]}`,
	`{"resourceType":"Patient","_birthDate":{"id":"a"}}`,
	`{"resourceType":"Patient","extension":[{"url":"http://example.org/a"}]}`,
	`{"resourceType":"Patient","extension":[{"url":"http://example.org/a","valueString":"a","extension":[{"url":"b","valueCode":"c"}]}]}`,
	`{"resourceType":"Patient","_active":{"extension":[{"url":"http://example.org/a"}]}}`,
	`{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","name":"x"}]}`,
	`{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","name":"x","partOf":{"reference":"#b"},"contained":[{"resourceType":"Basic","id":"b","code":{"text":"x"}}]}],"managingOrganization":{"reference":"#o"}}`,
	`{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","name":"x","meta":{"versionId":"1"}}],"managingOrganization":{"reference":"#o"}}`,
	`{"resourceType":"Patient","contained":[{"resourceType":"Organization","id":"o","name":"x","meta":{"security":[{"code":"R"}]}}],"managingOrganization":{"reference":"#o"}}`,
	`{"resourceType":"Patient","contained":[{"resourceType":"Provenance","id":"p","target":[{"reference":"#"}],"recorded":"2020-01-01T00:00:00Z","agent":[{"who":{"display":"x"}}]}]}`,
	`{"resourceType":"Patient","managingOrganization":{"reference":"#none"}}`,
	`{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>x</script></div>"}}`,
	`{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"> </div>"}}`,
	`{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"http://example.org/Basic/1","resource":{"resourceType":"Basic","code":{"text":"x"}}},{"fullUrl":"http://example.org/Basic/1","resource":{"resourceType":"Basic","code":{"text":"x"}}}]}`,
	`{"resourceType":"Bundle","type":"history","entry":[{"fullUrl":"http://example.org/Basic/1","request":{"method":"PUT","url":"Basic/1"},"response":{"status":"200"}},{"fullUrl":"http://example.org/Basic/1","request":{"method":"PUT","url":"Basic/1"},"response":{"status":"200"}}]}`,
	`{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueString":"x","dataAbsentReason":{"text":"y"}}`,
	`{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1,"code":"mm"},"referenceRange":[{"type":{"text":"x"}}]}`,
	`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"1"}]},"valueString":"x","component":[{"code":{"coding":[{"system":"http://loinc.org","code":"1"}]}}]}`,
	`{"resourceType":"Encounter","status":"finished","class":{"code":"AMB"},"period":{"start":"2020-02-01","end":"2020-01-01"}}`,
	`{"resourceType":"Encounter","status":"finished","class":{"code":"AMB"},"period":{"start":"2020-02-01","end":"2020"}}`,
	`{"resourceType":"Parameters","parameter":[{"name":"a","valueString":"x","part":[{"name":"b"}]},{"name":"c"}]}`,
	`{"resourceType":"Patient","contact":[{"gender":"male"}],"telecom":[{"value":"1"}]}`,
}
