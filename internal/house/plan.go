package house

// Vigil is the plan of this house.
func Vigil() Plan {
	return Plan{
		Module: "github.com/vigil-iomt/vigil",
		Ranks: map[string]int{
			"": 0, "internal": 0,
			"codec":   1,
			"devices": 2,
			"fleet":   3, "ingest": 3, "live": 3,
			"protocol": 4, "stream": 4, "store": 4, "api": 4, "fhir": 4, "web": 4, "sim": 4, "bench": 4,
			"app": 5,
			"cmd": 6, "test": 6,
		},
		// What FHIR needs is layered inside its own room, see fhir/doc.go.
		Free: []string{"fhir"},
		Outside: map[string][]string{
			"github.com/nats-io":                      {"stream"},
			"github.com/mochi-mqtt/server/v2":         {"protocol"},
			"modernc.org/sqlite":                      {"store"},
			"github.com/jackc/pgx/v5":                 {"store", "bench"},
			"github.com/klauspost/compress":           {"codec", "stream", "store", "protocol", "web", "fhir"},
			"github.com/valyala/fastjson":             {"codec", "protocol"},
			"github.com/fxamacker/cbor/v2":            {"codec"},
			"github.com/cespare/xxhash/v2":            {"stream", "store", "devices", "codec"},
			"github.com/minio/highwayhash":            {"stream"},
			"github.com/coder/websocket":              {"live", "cmd", "bench", "fhir"},
			"github.com/danielgtaylor/huma/v2":        {"api"},
			"github.com/prometheus/client_golang":     {"app"},
			"github.com/alecthomas/kong":              {"cmd"},
			"github.com/eclipse/paho.mqtt.golang":     {"sim"},
			"go.yaml.in/yaml/v3":                      {"devices", "sim", "app"},
			"golang.org/x/sync":                       {"cmd", "app", "stream", "store", "sim", "live", "protocol", "bench", "test"},
			"golang.org/x/sys":                        {"app", "stream"},
			"golang.org/x/text":                       {"fhir"},
			"github.com/HdrHistogram/hdrhistogram-go": {"bench"},
		},
		Limits: Limits{File: 600, Function: 80, Interface: 5, Root: 2000},
	}
}
