package app

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A sample is one value of a metric at a scrape.
type sample struct {
	name, help string
	kind       prometheus.ValueType
	value      float64
	labels     []string // name, value, name, value …
}

// A scraper reads the counters that the rooms keep anyway; nothing is counted
// twice on the hot path.
type scraper struct{ s *server }

// Describe sends nothing: the set of metrics depends on what runs.
func (scraper) Describe(chan<- *prometheus.Desc) {}

// Collect reads every room once.
func (c scraper) Collect(out chan<- prometheus.Metric) {
	for _, m := range c.s.samples() {
		var names, values []string
		for i := 0; i+1 < len(m.labels); i += 2 {
			names, values = append(names, m.labels[i]), append(values, m.labels[i+1])
		}
		d := prometheus.NewDesc("vigil_"+m.name, m.help, names, nil)
		if metric, err := prometheus.NewConstMetric(d, m.kind, m.value, values...); err == nil {
			out <- metric
		}
	}
}

// metrics serves /metrics.
func (s *server) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(scraper{s}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// samples lists every value.
func (s *server) samples() []sample {
	out := append(s.ingestSamples(), s.journalSamples()...)
	out = append(out, s.liveSamples()...)
	out = append(out, s.storeSamples()...)
	out = append(out, s.httpSamples()...)
	if s.mqtt != nil {
		out = append(out, s.mqttSamples()...)
	}
	for _, c := range s.chain {
		out = append(out, counter("consumer_panics_total", "Frames on which a consumer panicked.", s.poison.count(c.name), "consumer", c.name))
	}
	ready := 0.0
	if s.caughtUp.Load() {
		ready = 1
	}
	return append(out,
		gauge("ready", "1 once the consumers have caught up.", ready),
		gauge("uptime_seconds", "Since the start.", time.Since(s.started).Seconds()))
}

// counter and gauge make samples.
func counter(name, help string, v uint64, labels ...string) sample {
	return sample{name, help, prometheus.CounterValue, float64(v), labels}
}

func gauge(name, help string, v float64, labels ...string) sample {
	return sample{name, help, prometheus.GaugeValue, v, labels}
}

// ingestSamples are what was understood.
func (s *server) ingestSamples() []sample {
	st := s.ingest.Stats()
	return []sample{
		counter("ingest_messages_total", "Messages taken.", st.Messages),
		counter("ingest_readings_total", "Readings understood.", st.Readings),
		counter("ingest_waves_total", "Wave blocks understood.", st.Waves),
		counter("ingest_events_total", "Events understood.", st.Events),
		counter("ingest_quarantined_total", "Messages not understood, in whole or in part.", st.Quarantined),
		counter("ingest_refused_total", "Messages refused.", st.Refused),
		counter("ingest_unattributed_total", "Records that belong to nobody yet.", st.Unattributed),
		counter("ingest_clock_suspect_total", "Readings with a clock that cannot be believed.", st.ClockSuspect),
	}
}

// journalSamples are what was synced.
func (s *server) journalSamples() []sample {
	st := s.journal.Stats()
	out := []sample{
		gauge("journal_disk_free_bytes", "Room on the journal's disk.", float64(st.Free)),
		gauge("journal_damage", "Stretches of the journal that no longer read.", float64(len(st.Damage))),
		gauge("journal_disk_bytes", "Size of the journal.", float64(s.journal.Bytes())),
	}
	for i, p := range st.Partitions {
		l := []string{"partition", itoa(i)}
		out = append(out,
			counter("journal_frames_total", "Frames synced.", p.Frames, l...),
			counter("journal_records_total", "Records synced.", p.Records, l...),
			counter("journal_bytes_total", "Bytes synced.", p.Bytes, l...),
			counter("journal_failures_total", "Frames whose senders were refused.", p.Failures, l...),
			gauge("journal_queued_bytes", "Bytes that wait or are being written.", float64(p.Queued), l...),
			gauge("journal_behind_frames", "Frames that the store has not applied.", float64(p.Head-min(p.Head, s.db.Applied(i))), l...))
		for _, q := range []float64{0.5, 0.99} {
			out = append(out, gauge("journal_sync_seconds", "Time of a synced write.", p.Sync.Quantile(q).Seconds(),
				append(l[:2:2], "quantile", ftoa(q))...))
		}
	}
	return out
}

// liveSamples are what screens were told.
func (s *server) liveSamples() []sample {
	st := s.hub.Stats()
	return []sample{
		gauge("live_clients", "Open connections.", float64(st.EventClients), "stream", "events"),
		gauge("live_clients", "Open connections.", float64(st.WaveClients), "stream", "waves"),
		gauge("live_series", "Series heard in the last day.", float64(st.Series)),
		gauge("live_silent_series", "Series past their silence limit.", float64(st.Silent)),
		counter("live_frames_total", "Frames of readings sent.", st.Frames),
		counter("live_events_total", "Events sent.", st.Events),
		counter("live_behind_total", "Clients closed because they fell behind.", st.Behind),
		counter("live_wave_blocks_total", "Wave blocks sent.", st.WaveBlocks),
	}
}

// mqttSamples are what the MQTT driver did.
func (s *server) mqttSamples() []sample {
	st := s.mqtt.Stats()
	out := []sample{
		gauge("mqtt_connections", "Open connections.", float64(st.Connections)),
		counter("mqtt_logins_total", "Logins.", st.Connected, "outcome", "accepted"),
		counter("mqtt_logins_total", "Logins.", st.Turned, "outcome", "refused"),
		counter("mqtt_acked_total", "Messages acknowledged.", st.Acked),
		counter("mqtt_refused_total", "Messages that were not kept.", st.Refused),
		counter("mqtt_dropped_total", "QoS 0 messages that found no room.", st.Dropped),
	}
	for q, n := range st.Messages {
		out = append(out, counter("mqtt_messages_total", "Messages taken.", n, "qos", itoa(q)))
	}
	return out
}

// httpSamples are what the HTTP driver did.
func (s *server) httpSamples() []sample {
	st := s.httpin.Stats()
	return []sample{
		counter("http_requests_total", "Requests of devices.", st.Requests),
		counter("http_messages_total", "Messages taken.", st.Messages),
		counter("http_acked_total", "Messages acknowledged.", st.Acked),
		counter("http_refused_total", "Messages that were not kept.", st.Refused),
		counter("http_replayed_total", "Requests answered from memory, by their Idempotency-Key.", st.Replayed),
		counter("http_logins_refused_total", "Requests with unknown credentials.", st.Turned),
	}
}

// itoa and ftoa write label values.
func itoa(n int) string { return strconv.Itoa(n) }

func ftoa(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// storeSamples are what was kept.
func (s *server) storeSamples() []sample {
	st := s.db.Stats()
	return []sample{
		counter("store_points_total", "Readings that were new.", st.Accepted),
		counter("store_repeats_total", "Readings, waves and events that were here already.", st.Repeats),
		counter("store_conflicts_total", "Other values under a known identity.", st.Conflicts),
		counter("store_corrections_total", "New versions.", st.Corrections),
		counter("store_late_total", "Readings older than the newest of their series.", st.Late),
		counter("store_wave_blocks_total", "Wave blocks that were new.", st.Waves),
		counter("store_events_total", "Events that were new.", st.Events),
		counter("store_moved_total", "Readings given to another subject.", st.Moved),
		counter("store_checkpoints_total", "Checkpoints.", st.Checkpoints),
		gauge("store_series", "Series.", float64(st.Series)),
		gauge("store_partitions_held", "Partitions that this process writes.", float64(s.held())),
	}
}
