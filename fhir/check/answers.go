package check

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// answers checks a QuestionnaireResponse against its Questionnaire, where that
// is at hand (R4 questionnaireresponse.html): each item is one of the
// questionnaire and stands where that one does, answers are of the right type
// and among those that are offered, and what is required is there once the
// response is complete.
func (w *walk) answers(n tree.Node) {
	q := w.questionnaire(n.Get("questionnaire").Text())
	if q.Get("resourceType").Text() != "Questionnaire" {
		return
	}
	status := n.Get("status").Text()
	w.items(q, n, status == "completed" || status == "amended")
}

// questionnaire finds a Questionnaire by its canonical.
func (w *walk) questionnaire(canonical string) tree.Node {
	if canonical == "" {
		return tree.Node{}
	}
	url := version(canonical)
	for entry := range w.doc.Get("entry").Items() {
		if r := entry.Get("resource"); r.Get("url").Text() == url && r.Get("resourceType").Text() == "Questionnaire" {
			return r
		}
	}
	return w.resolve(canonical)
}

// items checks the items of a response, or of an item or answer of it, against
// those of a questionnaire or item.
func (w *walk) items(q, r tree.Node, complete bool) {
	type asked struct {
		n     tree.Node
		place int
	}
	questions := make(map[string]asked, q.Get("item").Len())
	for item := range q.Get("item").Items() {
		questions[item.Get("linkId").Text()] = asked{item, len(questions)}
	}
	given, last, i := make(map[string]int, r.Get("item").Len()), 0, 0
	w.push("item")
	for item := range r.Get("item").Items() {
		w.index(i)
		i++
		link := item.Get("linkId").Text()
		x, ok := questions[link]
		if !ok {
			w.fail(item, "structure", "link-id", "the questionnaire has no item %q here", short([]byte(link)))
			continue
		}
		if x.place < last {
			w.report(Warning, item, "structure", "order", "the items should stand in the order of the questionnaire")
		}
		last = x.place
		if given[link]++; given[link] > 1 && x.n.Get("type").Text() != "group" {
			w.fail(item, "structure", "answers", "the answers to one question stand in one item")
		} else if given[link] > 1 && !x.n.Get("repeats").Bool() {
			w.fail(item, "structure", "repeats", "the group %q does not repeat", short([]byte(link)))
		}
		w.item(x.n, item, complete)
	}
	w.pop()
	for item := range q.Get("item").Items() {
		link := item.Get("linkId").Text()
		if complete && given[link] == 0 && item.Get("required").Bool() && !item.Get("enableWhen").Ok() {
			w.fail(r, "required", "answer", "the item %q is required", short([]byte(link)))
		}
	}
}

// item checks one item.
func (w *walk) item(q, r tree.Node, complete bool) {
	kind, answers := q.Get("type").Text(), r.Get("answer")
	if kind == "group" || kind == "display" {
		if answers.Ok() {
			w.fail(answers, "structure", "answer", "a %s has no answer", kind)
		}
		w.items(q, r, complete)
		return
	}
	if complete && answers.Len() == 0 && q.Get("required").Bool() {
		w.fail(r, "required", "answer", "an answer is required")
	}
	w.push("answer")
	i := 0
	for answer := range answers.Items() {
		w.index(i)
		if i == 1 && !q.Get("repeats").Bool() {
			w.fail(answer, "structure", "repeats", "the question takes one answer")
		}
		w.answer(q, answer, kind)
		w.items(q, answer, complete)
		i++
	}
	w.pop()
}

// answered are the types of answers that a type of question takes.
var answered = map[string][]string{
	"boolean": {"valueBoolean"}, "decimal": {"valueDecimal"}, "integer": {"valueInteger"}, "date": {"valueDate"},
	"dateTime": {"valueDateTime"}, "time": {"valueTime"}, "string": {"valueString"}, "text": {"valueString"}, "url": {"valueUri"},
	"choice": {"valueCoding"}, "open-choice": {"valueCoding", "valueString"}, "attachment": {"valueAttachment"},
	"reference": {"valueReference"}, "quantity": {"valueQuantity"},
}

// answer checks the value of an answer.
func (w *walk) answer(q, answer tree.Node, kind string) {
	name, value := valueOf(answer)
	if name == "" {
		return
	}
	options := q.Get("answerOption")
	fits := false
	for _, allowed := range answered[kind] {
		fits = fits || name == allowed
	}
	for option := range options.Items() {
		other, _ := valueOf(option)
		fits = fits || name == other
	}
	if !fits {
		w.fail(value, "structure", "answer", "a %s is no answer to a question of type %s", strings.TrimPrefix(name, "value"), kind)
		return
	}
	if most := q.Get("maxLength"); most.Ok() && value.Kind() == tree.String && isInteger(most.Raw(), 0) && longer(value.Text(), small(most.Raw())) {
		w.fail(value, "too-long", "max-length", "the answer must not be longer than %s characters", most.Text())
	}
	if kind == "open-choice" && name == "valueString" {
		return
	}
	if options.Ok() && !offered(options, name, value) {
		w.fail(value, "code-invalid", "answer", "the answer is none of those that the question offers")
	}
	set := q.Get("answerValueSet").Text()
	if set == "" || name != "valueCoding" || w.c.terms == nil || strings.HasPrefix(set, "#") {
		return
	}
	if w.c.terms.Has(set, value.Get("system").Text(), value.Get("code").Text()) == terms.No {
		w.fail(value, "code-invalid", "answer", "the answer is not in the value set %s", short([]byte(set)))
	}
}

// valueOf finds the value of an answer or of an option.
func valueOf(n tree.Node) (string, tree.Node) {
	for name, v := range n.Members() {
		if strings.HasPrefix(name, "value") {
			return name, v
		}
	}
	return "", tree.Node{}
}

// offered tells whether one of the options is the answer. Codings are the same
// when their system and code are.
func offered(options tree.Node, name string, value tree.Node) bool {
	for option := range options.Items() {
		v := option.Get(name)
		switch {
		case !v.Ok():
		case name == "valueCoding":
			if v.Get("code").Text() == value.Get("code").Text() && v.Get("system").Text() == value.Get("system").Text() {
				return true
			}
		case name == "valueReference":
			if v.Get("reference").Text() == value.Get("reference").Text() {
				return true
			}
		case v.Text() == value.Text():
			return true
		}
	}
	return false
}

// small reads an integer that was checked.
func small(digits []byte) int {
	n := 0
	for _, c := range digits {
		n = n*10 + int(c-'0')
	}
	return n
}
