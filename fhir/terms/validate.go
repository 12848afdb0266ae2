package terms

import (
	"fmt"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// A Coding is a code of a system, as somebody sent it.
type Coding struct{ System, Version, Code, Display string }

// A Validate asks whether a code is in a value set
// (valueset-operation-validate-code.html), or in a code system
// (codesystem-operation-validate-code.html).
type Validate struct {
	URL      string           // canonical of the value set
	ValueSet *schema.ValueSet // or the value set itself
	System   string           // or a code system
	// Codings are one code, or those of a CodeableConcept, one of which has to
	// be right.
	Codings []Coding
	// Abstract says that codes that only group others are right, too.
	Abstract bool
	Language string
}

// A Verdict is the answer.
type Verdict struct {
	Result Answer
	// Message says why not, or warns.
	Message string
	Coding
}

// Validate checks codes.
func (t *Terms) Validate(q Validate) (*Verdict, error) {
	if q.URL == "" && q.ValueSet == nil {
		return t.inSystem(q)
	}
	codes, err := t.asked(q.URL, q.ValueSet)
	if err != nil {
		return nil, err
	}
	var worst *Verdict
	for _, c := range q.Codings {
		v := t.verdict(codes, c, q)
		if v.Result == Yes {
			return v, nil
		}
		if worst == nil || worst.Result == No && v.Result == Unknown {
			worst = v
		}
	}
	if worst == nil {
		return &Verdict{Result: No, Message: "no code was given"}, nil
	}
	return worst, nil
}

func (t *Terms) verdict(codes *Codes, c Coding, q Validate) *Verdict {
	v := &Verdict{Result: codes.Has(c.System, c.Code), Coding: Coding{System: c.System, Version: c.Version, Code: c.Code}}
	name := codes.URL
	if name == "" {
		name = "that was given"
	}
	switch v.Result {
	case No:
		v.Message = fmt.Sprintf("%s is not in the value set %s", shown(c), name)
		return v
	case Unknown:
		why, _ := codes.Listed()
		v.Message = fmt.Sprintf("whether %s is in the value set %s is not known: %s", shown(c), name, why)
		return v
	case Yes:
	}
	e := codes.Entry(c.System, c.Code)
	if e == nil {
		v.Display = c.Display
		return v
	}
	v.System, v.Version = e.System, e.Version
	t.named(v, e, c, q)
	return v
}

// named checks the display and whether the code may be used.
func (t *Terms) named(v *Verdict, e *Entry, c Coding, q Validate) {
	v.Display = e.in(q.Language).Display
	switch {
	case e.Abstract && !q.Abstract:
		v.Result, v.Message = No, fmt.Sprintf("%s only groups other codes and cannot be used itself", shown(c))
	case c.Display != "" && !e.called(c.Display):
		v.Result, v.Message = No, fmt.Sprintf("the display of %s is %q", shown(c), e.Display)
	case e.Inactive:
		v.Message = shown(c) + " is inactive"
	}
}

// called says whether a display is one of the names of a code; letter case and
// the number of spaces do not matter. Where there is no name, any is right.
func (e *Entry) called(display string) bool {
	want := strings.Join(strings.Fields(display), " ")
	same := func(s string) bool { return strings.EqualFold(strings.Join(strings.Fields(s), " "), want) }
	if e.Display == "" && len(e.Designations) == 0 || same(e.Display) {
		return true
	}
	for _, d := range e.Designations {
		if same(d.Value) {
			return true
		}
	}
	return false
}

func shown(c Coding) string {
	if c.System == "" {
		return c.Code
	}
	return c.System + "#" + c.Code
}

// inSystem checks a code against its code system.
func (t *Terms) inSystem(q Validate) (*Verdict, error) {
	var worst *Verdict
	for _, c := range q.Codings {
		if c.System == "" {
			c.System = q.System
		}
		v, err := t.codeOf(c, q)
		if err != nil {
			return nil, err
		}
		if q.System != "" && c.System != q.System {
			v.Result, v.Message = No, fmt.Sprintf("%s is not of the system %s", shown(c), q.System)
		}
		if v.Result == Yes {
			return v, nil
		}
		if worst == nil || worst.Result == No && v.Result == Unknown {
			worst = v
		}
	}
	if worst == nil {
		return &Verdict{Result: No, Message: "no code was given"}, nil
	}
	return worst, nil
}

func (t *Terms) codeOf(c Coding, q Validate) (*Verdict, error) {
	v := &Verdict{Result: Unknown, Coding: Coding{System: c.System, Version: c.Version, Code: c.Code}}
	s := t.system(t.now(), c.System, c.Version)
	if s == nil {
		g := grammar(c.System)
		switch {
		case g == nil:
			return nil, unknown("code system %s is not loaded", c.System)
		case g(c.Code):
			v.Result, v.Display = Yes, c.Display
		default:
			v.Result, v.Message = No, fmt.Sprintf("%s is not a code of the system", shown(c))
		}
		return v, nil
	}
	at := s.place(c.Code)
	if at >= 0 {
		e := entry(s, at)
		v.Result, v.Version = Yes, s.Version
		q.Abstract = true // what a system has is a code of it
		t.named(v, &e, c, q)
		return v, nil
	}
	if s.Complete() {
		v.Result = No
	}
	v.Message = fmt.Sprintf("%s is not a code of the system as far as it is loaded", shown(c))
	return v, nil
}
