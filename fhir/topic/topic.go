package topic

import (
	"slices"

	"github.com/vigil-iomt/vigil"
)

// A Topic is something that one can subscribe to: which events there are, and by
// what they can be filtered (R5 subscriptiontopic.html).
type Topic struct {
	Name        string
	Title, Text string
	Triggers    []Trigger
	Filters     []Filter
	// Any says that every type of resource triggers, and that filters name the
	// types that are wanted and may use any parameter of theirs.
	Any bool
}

// A Trigger is what makes an event: that something happens to a resource that
// meets the criteria.
type Trigger struct {
	Type   string
	Causes []vigil.NoticeCause
	Query  string // search parameters; "" for none
	Path   string // FHIRPath; "" for none
}

// A Filter is a parameter by which a subscription may narrow a topic.
type Filter struct {
	Type      string
	Params    []string
	Modifiers []string
}

// canonicalBase begins the canonicals of our topics.
const canonicalBase = "https://github.com/vigil-iomt/vigil/SubscriptionTopic/"

// URL is the canonical of the topic.
func (t *Topic) URL() string { return canonicalBase + t.Name }

// URLs are the canonicals of all topics.
func URLs() []string {
	var out []string
	for _, t := range topics() {
		out = append(out, t.URL())
	}
	return out
}

// written are the causes of topics that do not care for deletions.
func written() []vigil.NoticeCause {
	return []vigil.NoticeCause{vigil.NoticeCreate, vigil.NoticeUpdate}
}

// topics lists the topics that there are.
func topics() []*Topic {
	observations := []string{
		"_id", "_profile", "_tag", "based-on", "category", "code", "code-value-concept", "code-value-quantity", "combo-code",
		"combo-code-value-quantity", "combo-value-quantity", "component-code", "component-code-value-quantity",
		"component-value-quantity", "date", "device", "encounter", "identifier", "patient", "performer", "status", "subject",
		"value-concept", "value-quantity", "value-string",
	}
	return []*Topic{
		{
			Name: "observation", Title: "Observations", Text: "An Observation was made or changed, by a device or by a person.",
			Triggers: []Trigger{{Type: "Observation", Causes: written()}},
			Filters:  []Filter{{Type: "Observation", Params: observations, Modifiers: []string{"in", "not", "text"}}},
		},
		{
			Name: "vital-signs", Title: "Vital signs", Text: "A vital sign was measured, or changed.",
			Triggers: []Trigger{{Type: "Observation", Causes: written(), Query: "category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs"}},
			Filters:  []Filter{{Type: "Observation", Params: observations, Modifiers: []string{"in", "not"}}},
		},
		{
			Name: "alert", Title: "Alerts",
			Text: "Something needs a person: a Flag that is active, a DetectedIssue, or an Observation that is interpreted as critical.",
			Triggers: []Trigger{
				{Type: "Flag", Causes: written(), Path: "status = 'active'"},
				{Type: "DetectedIssue", Causes: written(), Path: "status != 'entered-in-error' and status != 'cancelled'"},
				{Type: "Observation", Causes: written(), Path: "(interpretation | component.interpretation).coding" +
					".where(system = 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation'" +
					" and (code = 'AA' or code = 'HH' or code = 'LL' or code = 'HU' or code = 'LU')).exists()"},
			},
			Filters: []Filter{
				{Type: "Flag", Params: []string{"author", "encounter", "identifier", "patient", "subject"}},
				{Type: "DetectedIssue", Params: []string{"author", "code", "identified", "identifier", "implicated", "patient"}},
				{Type: "Observation", Params: observations, Modifiers: []string{"in", "not"}},
			},
		},
		{
			Name: "resource", Title: "Any resource", Any: true,
			Text: "A resource was made, changed or deleted. Filters say of which types, and what has to hold.",
		},
	}
}

// byURL finds a topic by its canonical, which may have a version; nil when there
// is none.
func byURL(url string) *Topic {
	list := topics()
	i := slices.IndexFunc(list, func(t *Topic) bool { return t.URL() == url || t.URL()+"|"+topicVersion == url })
	if i < 0 {
		return nil
	}
	return list[i]
}

// topicVersion is the version of all topics.
const topicVersion = "1.0.0"
