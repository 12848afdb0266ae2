// Package stream is the journal: everything that devices said, in order, synced
// to disk before anyone is told that it is safe. It runs on NATS JetStream, in
// this process by default, in a cluster when one is configured; the code is the
// same.
//
// Records are gathered into one frame per partition while the frame before is on
// its way to disk, published once with sync on every write, and only then are
// their senders told. Frames carry the sequences 1, 2, 3, … of their partition;
// the partition of a subject is a hash of it, so that one patient's readings
// stay in order. Consume hands the frames on to those who keep, decide and show.
//
// # Several processes
//
// Processes that share a NATS cluster write to the same partitions. Each frame
// names the sequence behind which it is to stand. When another process was
// faster, the server refuses and names the sequence that is right; the frame did
// not land and is sent again at once. Only when an answer got lost is the stream
// searched for the frame, until none of the attempts without an answer can land
// any more, so that a frame is there once.
//
// Share gives each partition one process that writes it to the shared database.
// A bucket holds a lease for each partition (who, and an epoch that grows
// whenever it changes hands) and a presence for each process, which alone is
// renewed, about once a second. A lease holds while the presence of its holder
// moves; the others judge that by their own clocks, so that no two clocks are
// compared. Every process computes from the same table how many partitions are
// its share: who has more gives back, who has less takes what is free. One that
// leaves says so first; one that cannot renew for its time drops everything; one
// that cannot take a partition leaves it to the others for a while. The epoch,
// checked in the store's transactions, is what makes a process harmless that
// was stopped at the wrong moment and believes that it still holds a partition.
//
// # After a crash
//
// Two files beside the server's own say up to where was acknowledged:
// "highwater" is replaced and synced once a second, and in "acknowledged" each
// partition has a slot of 16 bytes that is written, not synced, before each
// acknowledgement: uint64 sequence, CRC32C (4) of partition (4) and sequence,
// zeros (4). A slot outlives the process, however it ends. After a power failure
// acknowledged frames of the last second that were synced and are damaged as
// well may go unnoticed.
//
// The server checks its newest files when it was not stopped in order, and cuts
// each at the first record that does not read. Before it starts, this room looks
// at them (at most 1 GiB of the newest) and copies those aside, to
// "damaged", that break off before the acknowledged sequence. What the server
// then lacks at the end of a partition is written back from the copies under
// its old sequence; what it lacks in the middle is read from them. What is in no
// copy, either, stands in the journal as frames that say "lost". The copies go
// when their frames are trimmed. With an external cluster the replicas are what
// helps.
//
// A file is not looked at after an orderly stop: what the server finds wrong
// with it later is reported when it is read.
//
// # A disk that is too slow
//
// MaxQueue bytes of each partition wait at most, one frame is being written and
// one is being acknowledged. Senders wait for room for up to Patience and are
// then refused as Overloaded; nothing of theirs was kept.
//
// # Frame format, version 1
//
// Integers in the header are little-endian. uv is an unsigned varint, sv a
// zigzag one (encoding/binary), text is uv 0 for "", uv 1 and 16 bytes for a
// canonical lower-case UUID, otherwise uv length+1 and the bytes. A subject is a
// kind byte and a text.
//
//	offset size
//	     0    1  version, 1
//	     1    1  flags; bit 0: this frame stands for one that was lost
//	     2    2  partition
//	     4    4  CRC32C (Castagnoli) of the whole frame without these four bytes
//	     8    8  producer: random, one for each run of the program
//	    16    8  producer's sequence of the first record
//	    24    8  time of writing, microseconds since 1970 UTC
//	    32    4  number of records, at most 2^20
//	    36    4  number of sections
//	    40    4  length of the dictionary
//	    44    4  CRC32C of the dictionary
//	    48    4  length of the sealed directory
//	    52       dictionary, directory, sections
//
// The dictionary stands in clear: it names no patient. Entries of uv number, uv
// length, and
//
//	1  metric: name, title, unit, category (text), decimals (byte), cadence,
//	   silence, rate numerator, rate denominator (sv), codes, 0 or 1 and a
//	   panel's name and codes. Codes: uv count, and for each a byte for the
//	   system (0 and a text; 1 LOINC 2 MDC 3 SNOMED CT 4 UCUM), value, display
//	2  word: text; names of profiles and protocols, types of events
//
// The directory is sealed under "system/YYYY-MM-DD". For each section: subject,
// uv number of records, sv first instant that they speak of (from the time of
// writing), sv length of the interval. It names what is lost when a section no
// longer reads.
//
// A section holds the records of one subject, or, with no subject, those of the
// system: messages that belong to nobody yet or to several. It is a length (4),
// a packing (1: 0 none, 1 S2), and the packed bytes sealed under the subject's
// text, the system's under "system/YYYY-MM-DD"; the sealer puts format and key
// id first. Plain, it is the subject and for each record: uv how many records of
// other sections stand before it, uv length, CRC32C (4), and the
// bytes. The checksum is over the CRC32C (4) of the section's subject as written,
// the producer's sequence (8), and the bytes, which are:
//
//	byte     kind
//	uv       which parts follow (the constants hasGateway … in encode.go)
//	uv, uv   protocol, profile: number in the dictionary, or 0 and a text
//	text     device
//	sv       arrived
//	parts in the order of their bits: gateway, channel, id (text); stated (sv,
//	from arrived); replay (text); payload (uv length, bytes); subject (in the
//	system's section); refusal (three texts); change; attribution (byte);
//	readings, waves, events (uv count each). Bits 4 and 5 are flags only.
//
// A reading is uv metric, a byte of bits (constants readingStated …), sv taken
// (from the reading before, the first from arrived), and as its bits say: sv
// stated (from taken), decimals (byte), the value as sv in units of its last
// decimal or as eight bytes, uv quality, uv key. A wave is uv metric, a stamp,
// gain and offset (eight bytes each), samples. An event is its type (like a
// word), title, codes, a stamp, uv length and data. A stamp is sv time (from the
// one before), 0 or 1 and sv stated, key kind (byte), uv key, uv quality.
//
// Samples are uv count and, unless that is 0, uv number of runs of missing
// samples, each uv present samples before it and uv length; then the zigzag
// differences of the present ones in blocks of 64, each a bit width (byte) and
// the values, lowest bits first.
package stream
