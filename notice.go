package vigil

// A Notice is one event of a FHIR subscription: what happened to which version
// of a resource. The events of a subscription are numbered from 1, without gaps.
type Notice struct {
	Subscription string
	Number       int64
	At           Instant // when it happened
	Type, ID     string  // of the resource
	Version      int64
	Cause        NoticeCause
}

// A NoticeCause is what happened to a resource.
type NoticeCause string

// The causes.
const (
	NoticeCreate NoticeCause = "create"
	NoticeUpdate NoticeCause = "update"
	NoticeDelete NoticeCause = "delete"
)

// A NoticeLine is how far a subscription is.
type NoticeLine struct {
	Subscription string
	// Since is the write behind which its events begin, Started the time of it.
	Since   int64
	Started Instant
	// Events is the number of its newest event, Delivered of the newest that was
	// taken by who listens. First is the oldest event that is still kept.
	Events, Delivered, First int64
}
