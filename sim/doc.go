// Package sim is a simulated hospital: people with coupled physiology
// (sim/body), the devices on them, which speak the payloads of the catalogue's
// profiles, and stories that happen to them (stories/*.yaml). It is seeded and
// deterministic: the same plan, seed and start give the same messages, byte for
// byte. sim/play turns recordings into messages instead; sim/wire sends either
// over real protocols to any server.
package sim
