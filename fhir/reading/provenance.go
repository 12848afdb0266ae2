package reading

import (
	"context"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// provenanceMark begins the ids of Provenances. The id of the Observation
// follows that they tell of.
const provenanceMark = "p-"

// The code systems of Provenance.agent.type (provenance-agent-type) and of its
// activity (v3-DataOperation).
const (
	agentSystem    = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
	activitySystem = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
)

// provenance tells of a version of an Observation: which device measured it,
// and what software made a resource of it.
func (s *Source) provenance(r *reading) vigil.Resource {
	x := s.resource(r)
	x.Type, x.ID = Provenance, provenanceMark+x.ID
	x.Body = s.appendProvenance(nil, r)
	return x
}

// provenanceHead is what stands before the id of the Observation.
const provenanceHead = `{"resourceType":"Provenance","id":"` + provenanceMark

// appendProvenance appends the Provenance of an Observation (provenance.html).
func (s *Source) appendProvenance(dst []byte, r *reading) []byte {
	sum := r.summary()
	dst = append(dst, provenanceHead...)
	dst = s.appendReadingID(dst, r)
	dst = append(dst, `","meta":{"versionId":"`...)
	dst = strconv.AppendInt(dst, int64(sum.version), 10)
	dst = append(dst, `","lastUpdated":"`...)
	dst = appendTime(dst, sum.arrived)
	dst = append(dst, `"},"target":[{"reference":"Observation/`...)
	dst = s.appendReadingID(dst, r)
	dst = append(dst, `/_history/`...)
	dst = strconv.AppendInt(dst, int64(sum.version), 10)
	from, to := r.times()
	if r.wave == nil && r.samples == nil {
		dst = append(dst, `"}],"occurredDateTime":"`...)
		dst = append(appendTime(dst, from), '"')
	} else {
		dst = append(dst, `"}],"occurredPeriod":{"start":"`...)
		dst = append(appendTime(dst, from), `","end":"`...)
		dst = append(appendTime(dst, to), `"}`...)
	}
	dst = append(dst, `,"recorded":"`...)
	dst = appendTime(dst, sum.arrived)
	dst = append(dst, `","activity":`...)
	operation := vigil.Code{System: activitySystem, Value: "CREATE", Display: "create"}
	if sum.version > 1 {
		operation = vigil.Code{System: activitySystem, Value: "UPDATE", Display: "revise"}
	}
	dst = appendConcept(dst, []vigil.Code{operation}, "")
	dst = append(dst, `,"agent":[{"type":`...)
	dst = appendConcept(dst, []vigil.Code{{System: agentSystem, Value: "author", Display: "Author"}}, "")
	dst = append(dst, `,"who":{"reference":`...)
	dst = appendString(dst, "Device/"+WireID(string(r.g.device())))
	dst = append(dst, `}},{"type":`...)
	dst = appendConcept(dst, []vigil.Code{{System: agentSystem, Value: "assembler", Display: "Assembler"}}, "")
	return append(dst, `,"who":{"display":"Vigil"}}]}`...)
}

// target returns the id of the Observation that the id of a Provenance tells of.
func target(id string) (string, error) {
	of, ok := strings.CutPrefix(id, provenanceMark)
	if !ok {
		return "", vigil.Errorf(vigil.NotFound, "there is no such Provenance")
	}
	return of, nil
}

// shown is what shows a reading as a resource of a type.
func (s *Source) shown(typ string) func(*reading) vigil.Resource {
	if typ == Provenance {
		return s.provenance
	}
	return s.resource
}

// track finds what the id of an Observation or a Provenance names.
func (s *Source) track(ctx context.Context, typ, id string) (*track, error) {
	if typ == Provenance {
		var err error
		if id, err = target(id); err != nil {
			return nil, err
		}
	}
	t, err := s.find(ctx, id)
	if vigil.KindOf(err) == vigil.NotFound {
		err = vigil.Errorf(vigil.NotFound, "there is no such %s", typ)
	}
	return t, err
}
