package api

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// Selection chooses series. Several values of one parameter widen the choice,
// several parameters narrow it.
type Selection struct {
	Patient []string `query:"patient" doc:"Patients; several with commas."`
	Subject []string `query:"subject" doc:"Subjects, as patient/ID, location/ID, device/ID."`
	Device  []string `query:"device" doc:"Devices."`
	Metric  []string `query:"metric" doc:"Names of metrics, as spo2."`
	Code    []string `query:"code" doc:"Codes, as loinc:8867-4, mdc:149530, sct:364075005 or system|code."`
}

// subjects returns the subjects of patient and subject together.
func (q *Selection) subjects() ([]vigil.Subject, error) {
	var out []vigil.Subject
	for _, id := range q.Patient {
		if !vigil.ValidID(id) {
			return nil, invalid("query.patient", "this is not a patient's id")
		}
		out = append(out, vigil.PatientSubject(vigil.PatientID(id)))
	}
	for _, text := range q.Subject {
		v, err := vigil.ParseSubject(text)
		if err != nil || v.Kind == vigil.NoSubject {
			return nil, invalid("query.subject", "want patient/ID, location/ID, asset/ID, shipment/ID or device/ID")
		}
		out = append(out, v)
	}
	return out, nil
}

// deviceIDs returns the devices.
func (q *Selection) deviceIDs() []vigil.DeviceID {
	var out []vigil.DeviceID
	for _, d := range q.Device {
		out = append(out, vigil.DeviceID(d))
	}
	return out
}

// narrow tells whether the Selection names whose readings are meant.
func (q *Selection) narrow() bool { return len(q.Patient)+len(q.Subject)+len(q.Device) > 0 }

// byID orders series for paging.
func byID(a, b vigil.Series) int { return cmp.Compare(a.ID, b.ID) }

// byName orders series for people.
func byName(a, b *vigil.Series) int {
	if a.Subject != b.Subject {
		return cmp.Or(cmp.Compare(a.Subject.Kind.String(), b.Subject.Kind.String()), cmp.Compare(a.Subject.ID, b.Subject.ID))
	}
	return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Channel, b.Channel),
		cmp.Compare(a.Metric.Name, b.Metric.Name), cmp.Compare(a.ID, b.ID))
}

// sortByName puts series into the order for people.
func sortByName(list []vigil.Series) {
	slices.SortFunc(list, func(a, b vigil.Series) int { return byName(&a, &b) })
}

// find returns the selected series in the order of their ids.
func (s *server) find(ctx context.Context, q *Selection, waves bool) ([]vigil.Series, error) {
	subjects, err := q.subjects()
	if err != nil {
		return nil, err
	}
	sq := vigil.SeriesQuery{Subjects: subjects, Devices: q.deviceIDs(), Metrics: q.Metric, Waves: waves}
	for _, c := range q.Code {
		sq.Codes = append(sq.Codes, vigil.ParseCode(c))
	}
	list, err := s.c.Readings.Series(ctx, sq)
	slices.SortFunc(list, byID)
	return list, err
}

// SeriesInfo describes a series.
type SeriesInfo struct {
	ID      vigil.SeriesID `json:"id"`
	Subject vigil.Subject  `json:"subject"`
	Device  vigil.DeviceID `json:"device"`
	Channel string         `json:"channel,omitempty"`
	Metric  vigil.Metric   `json:"metric"`
	Wave    bool           `json:"wave"`
}

// infoOf describes a series.
func infoOf(v *vigil.Series) SeriesInfo {
	m := *v.Metric
	if m.Codes == nil {
		m.Codes = []vigil.Code{}
	}
	return SeriesInfo{v.ID, v.Subject, v.Device, v.Channel, m, m.IsWave()}
}

// seriesList is a list of series.
type seriesList struct {
	Series []SeriesInfo `json:"series"`
}

// latestList is a list of newest readings.
type latestList struct {
	Readings []vigil.ReadingNow `json:"readings"`
}

// series registers the routes that find series and their newest readings.
func (s *server) series() {
	handle(s, route{"series.search", http.MethodGet, "/series", "Find series of readings and waves"},
		func(ctx context.Context, in *Selection) (*answer[seriesList], error) {
			out := seriesList{Series: []SeriesInfo{}}
			for _, waves := range []bool{false, true} {
				list, err := s.find(ctx, in, waves)
				if err != nil {
					return nil, err
				}
				sortByName(list)
				for i := range list {
					out.Series = append(out.Series, infoOf(&list[i]))
				}
			}
			return said(out), nil
		})
	handle(s, route{"reading.latest", http.MethodGet, "/latest", "Newest reading of each series"},
		func(ctx context.Context, in *Selection) (*answer[latestBody], error) {
			list, err := s.find(ctx, in, false)
			if err != nil {
				return nil, err
			}
			out, err := s.latest(ctx, list)
			return said(out), err
		})
}

// A latestBody writes a latestList.
type latestBody struct {
	s      *server
	list   []vigil.Series
	names  *nameOrder    // of the list
	points []vigil.Point // of the list; version 0 where there is none
}

// latest reads the newest reading of each series that has one. The series are
// in the order of their ids.
func (s *server) latest(ctx context.Context, list []vigil.Series) (latestBody, error) {
	ids := make([]vigil.SeriesID, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	points, err := s.c.Readings.Newest(ctx, ids)
	return latestBody{s, list, s.named(ids, list), points}, err
}

// writeJSON writes the list.
func (l latestBody) writeJSON(w io.Writer) error {
	return l.s.scribes.write(w, func(sc *scribe) {
		sc.b = append(sc.b, `{"readings":[`...)
		first := true
		sc.inPieces(len(l.names.order), l.appendPiece, func(piece []byte) {
			if first && len(piece) > 0 {
				piece, first = piece[1:], false
			}
			sc.b = append(sc.b, piece...)
		})
		sc.b = append(sc.b, "]}\n"...)
	})
}

// appendPiece appends the readings of a piece of the order, a comma before each.
func (l latestBody) appendPiece(b []byte, from, to int) []byte {
	for at := from; at < to; at++ {
		if i := l.names.order[at]; l.points[i].Version != 0 {
			b = l.list[i].AppendNow(append(b, ','), l.names.who(at), &l.points[i])
		}
	}
	return b
}

// A nameOrder is in which order a list of series is shown to people, and what
// their newest readings begin with. What decides about both never changes of a
// series.
type nameOrder struct {
	ids   []vigil.SeriesID
	order []int32
	texts []byte // in the order, one behind the other
	ends  []int  // of the texts
}

// who returns what the newest reading of the series at a place begins with.
func (o *nameOrder) who(at int) []byte {
	from := 0
	if at > 0 {
		from = o.ends[at-1]
	}
	return o.texts[from:o.ends[at]]
}

// many is from how many series on their order is worth keeping.
const many = 256

// named returns the order of a list by name. Screens ask for the same list over
// and over, and ordering ten thousand by their texts takes longer than reading
// them: the last long one is kept.
func (s *server) named(ids []vigil.SeriesID, list []vigil.Series) *nameOrder {
	if kept := s.names.Load(); kept != nil && slices.Equal(kept.ids, ids) {
		return kept
	}
	o := &nameOrder{ids: ids, order: make([]int32, len(list)), ends: make([]int, len(list))}
	for i := range o.order {
		o.order[i] = int32(i) // #nosec G115 -- an index
	}
	slices.SortFunc(o.order, func(a, b int32) int { return byName(&list[a], &list[b]) })
	for at, i := range o.order {
		o.texts = list[i].AppendWho(o.texts)
		o.ends[at] = len(o.texts)
	}
	if len(ids) >= many {
		s.names.Store(o)
	}
	return o
}
