// Package body is the simulator's physiology: one person whose heart rate,
// blood pressure, oxygen saturation, breathing, temperature and glucose
// influence each other, and the waves that such a body shows to electrodes and
// sensors. It is seeded and deterministic: the same person and the same calls
// give the same numbers. It is made to look right and to move together, not to
// predict anything.
package body
