// Package wfdb reads WFDB records, the format of PhysioNet: headers (.hea,
// single- and multi-segment), signal files and annotations. It is pure: bytes
// and a file system in, samples and annotations out.
//
// Source: the WFDB Applications Guide, header(5), signal(5) and annot(5)
// (physionet.org/physiotools/wag).
package wfdb
