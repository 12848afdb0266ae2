package vigil

// A Series is all readings of one metric of one subject from one device, on one
// channel of it.
type Series struct {
	ID      SeriesID `json:"id"`
	Subject Subject  `json:"subject"`
	Device  DeviceID `json:"device"`
	Channel string   `json:"channel,omitempty"`
	Metric  *Metric  `json:"metric"`
}

// A Point is a reading as it is kept in a series.
type Point struct {
	Taken    Instant
	Arrived  Instant
	Stated   Instant
	Value    float64
	Key      uint64 // identity within the series, see KeyKind
	Quality  Quality
	Version  uint16 // 1, and one more for each correction
	Conflict uint8  // 0, and one more for each other value under the same key
	// Attribution counts how often the reading was given to another subject
	// before it came here.
	Attribution uint8
	Decimals    int8
	KeyKind     KeyKind
}

// A Bucket is the summary of the usable points of one stretch of time.
type Bucket struct {
	From  Instant `json:"time"`
	Count int     `json:"count"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
	Mean  float64 `json:"mean"`
	Last  float64 `json:"last"`
}
