package reading

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
)

// metricMark begins the ids of DeviceMetrics. The encrypted hash of what makes
// the metric that metric follows.
const metricMark = "m-"

// A meter is one metric that a device measures on one channel, whoever it is
// measured on: what a DeviceMetric shows.
type meter struct {
	device  vigil.DeviceID
	channel string
	metric  *vigil.Metric
}

// meterID returns the id of a DeviceMetric.
func (s *Source) meterID(m meter) string {
	var b []byte
	for _, t := range [...]string{"metric", string(m.device), m.channel, m.metric.Name} {
		b = append(binary.AppendUvarint(b, uint64(len(t))), t...)
	}
	sum := sha256.Sum256(b)
	s.ids.Encrypt(sum[:16], sum[:16])
	return string(s.text.AppendEncode([]byte(metricMark), sum[:16]))
}

// meters returns the DeviceMetrics of devices by their ids, those of all when
// there are none named.
func (s *Source) meters(ctx context.Context, of []vigil.DeviceID) (map[string]meter, error) {
	series, err := s.allSeries(ctx, vigil.SeriesQuery{Devices: of})
	if err != nil {
		return nil, err
	}
	type key struct{ device, channel, metric string }
	seen := make(map[key]struct{}, len(series))
	out := make(map[string]meter, len(series))
	for _, x := range series {
		k := key{string(x.Device), x.Channel, x.Metric.Name}
		if _, ok := seen[k]; ok {
			continue
		}
		seen[k] = struct{}{}
		m := meter{x.Device, x.Channel, x.Metric}
		out[s.meterID(m)] = m
	}
	return out, nil
}

// findMeter returns the DeviceMetric that an id names.
func (s *Source) findMeter(ctx context.Context, id string) (vigil.Resource, error) {
	none := vigil.Errorf(vigil.NotFound, "there is no such DeviceMetric")
	if !strings.HasPrefix(id, metricMark) || len(id) != len(metricMark)+shortID {
		return vigil.Resource{}, none
	}
	all, err := s.meters(ctx, nil)
	if err != nil {
		return vigil.Resource{}, err
	}
	m, ok := all[id]
	if !ok {
		return vigil.Resource{}, none
	}
	return s.meterResource(id, m), nil
}

// allMeters returns the DeviceMetrics of devices in the order of their ids.
func (s *Source) allMeters(ctx context.Context, of []vigil.DeviceID) ([]vigil.Resource, error) {
	found, err := s.meters(ctx, of)
	if err != nil {
		return nil, err
	}
	out := make([]vigil.Resource, 0, len(found))
	for id, m := range found {
		out = append(out, s.meterResource(id, m))
	}
	slices.SortFunc(out, func(a, b vigil.Resource) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// meterResource is a DeviceMetric as the record would have it.
func (s *Source) meterResource(id string, m meter) vigil.Resource {
	r := vigil.Resource{Type: DeviceMetric, ID: id, Version: 1, Method: "POST", Actor: vigil.Actor{Kind: vigil.DeviceActor, ID: string(m.device)}}
	if d, ok := s.c.Registry.Device(m.device); ok {
		r.Changed = d.Created
	}
	r.Body = appendMeter(nil, r, m)
	return r
}

// appendMeter appends a DeviceMetric (devicemetric.html).
func appendMeter(dst []byte, r vigil.Resource, m meter) []byte {
	dst = append(dst, `{"resourceType":"DeviceMetric","id":"`...)
	dst = append(append(dst, r.ID...), `","meta":{"versionId":"1"`...)
	if r.Changed != 0 {
		dst = append(dst, `,"lastUpdated":"`...)
		dst = append(appendTime(dst, r.Changed), '"')
	}
	dst = append(dst, `},"identifier":[{"value":`...)
	name := string(m.device) + "/" + m.metric.Name
	if m.channel != "" {
		name = string(m.device) + "/" + m.channel + "/" + m.metric.Name
	}
	dst = appendString(dst, name)
	dst = append(dst, `}],"type":`...)
	dst = appendConcept(dst, m.metric.Codes, metricTitle(m.metric))
	if m.metric.Unit != "" {
		dst = append(dst, `,"unit":`...)
		dst = appendConcept(dst, []vigil.Code{{System: vigil.UCUM, Value: m.metric.Unit}}, unitName(m.metric.Unit))
	}
	dst = append(dst, `,"source":{"reference":`...)
	dst = appendString(dst, "Device/"+WireID(string(m.device)))
	dst = append(dst, `},"category":"measurement"`...)
	if m.metric.Cadence > 0 {
		dst = append(dst, `,"measurementPeriod":{"repeat":{"frequency":1,"period":`...)
		dst = appendDecimal(dst, (time.Duration(m.metric.Cadence) * time.Microsecond).Seconds(), -1)
		dst = append(dst, `,"periodUnit":"s"}}`...)
	}
	return append(dst, '}')
}
