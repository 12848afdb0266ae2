// Package topic lets clients subscribe to what happens: topic-based
// subscriptions as the guide Subscriptions R5 Backport (STU 1.1) brings them to
// FHIR R4, and the criteria of R4 itself (subscription.html).
//
// A Desk reads what was written into the record, in the order in which it was
// written, and is handed what readings have become. What a subscription asks for
// becomes one of its events: numbered without gaps and kept, together with the
// place up to which the source was read, so that a stop at any moment loses
// nothing and makes nothing twice. Each subscription then has its own line: who
// delivers reads the kept events behind the last that was taken. A slow or dead
// listener keeps only itself waiting.
//
// What is delivered may come twice, after a stop between delivery and the note of
// it; the number of the event tells.
package topic
