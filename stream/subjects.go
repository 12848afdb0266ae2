package stream

import (
	"fmt"
	"strconv"
)

// Every name that this room uses inside NATS stands in this file. There are few
// of them on purpose: the server's memory grows with subjects and message ids.
const (
	// frameSubjects is what all frames are published under.
	frameSubjects = "vigil.frame."
	// leaseBucket is the key-value bucket with the partitions' leases, and with
	// the presence of the processes that share them; leaseSubjects is what
	// NATS puts before its keys.
	leaseBucket   = "VIGIL_LEASES"
	leaseSubjects = "$KV." + leaseBucket + "."
	leaseKeys     = "p."
	presenceKeys  = "n."
	// metaPartitions and metaFormat are stream metadata.
	metaPartitions = "vigil_partitions"
	metaFormat     = "vigil_format"
	// connWrite and connRead name the two connections: a long read never
	// stands in the way of a publish.
	connWrite = "vigil journal writer"
	connRead  = "vigil journal reader"
	// serverName is the embedded server's.
	serverName = "vigil"
)

// streamName is the stream of a partition: VIGIL_P0, VIGIL_P1, ….
func streamName(partition int) string { return fmt.Sprintf("VIGIL_P%d", partition) }

// frameSubject is where a partition's frames are published.
func frameSubject(partition int) string { return frameSubjects + strconv.Itoa(partition) }

// directGet is the server's subject for reading messages of a stream by
// sequence, time or subject (ADR-31 of nats-architecture-and-design).
func directGet(stream string) string { return "$JS.API.DIRECT.GET." + stream }

// leaseKey is a partition's key in the bucket.
func leaseKey(partition int) string { return leaseKeys + strconv.Itoa(partition) }
