// Package store keeps what the journal delivers: series of points and waves in
// sealed chunks, events, the quarantine, and documents. One set of SQL runs on
// SQLite, the default, and on PostgreSQL.
//
// Points live in memory first: each series has a head whose newest points are
// plain and whose older ones are encoded. A checkpoint writes heads, full
// chunks, events and the journal positions they stand for in one transaction,
// so that each reading is kept exactly once: what a crash takes from memory the
// journal brings again, and nothing that was committed comes twice.
//
// Late, corrected and conflicting points go to chunks that overlap others.
// Whoever reads merges; compaction joins them later. A point that is already in
// a sealed chunk changes by a second copy with more quality flags: copies of
// one point are one point with the flags of all.
package store
