package reading

import "github.com/vigil-iomt/vigil"

// WaveID returns the id of the Observation of a block of a wave, the first one
// with its start.
func (s *Source) WaveID(series vigil.SeriesID, start vigil.Instant) string {
	return string(s.appendID(nil, identity{series: series, key: uint64(start), kind: vigil.KeyTime})) // #nosec G115 -- wraps on purpose
}

// EventID returns the id of the Observation that is made of an event; false when
// none is.
func (s *Source) EventID(e vigil.StoredEvent) (string, bool) {
	if s.c.Shapes == nil || s.templateOf(e) == nil {
		return "", false
	}
	return string(s.appendReadingID(nil, &reading{events: []vigil.StoredEvent{e}})), true
}
