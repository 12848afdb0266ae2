package wfdb

import "strings"

// A Code is an annotation code (annot(5), ecgcodes.h).
type Code uint8

// The codes that the rest of the house needs by name.
const (
	Normal Code = 1
	PVC    Code = 5
	Note   Code = 22
	Rhythm Code = 28
)

type codeWords struct {
	symbol string
	word   string // kebab-case
	beat   bool
}

// words returns the symbol and the word of a code.
func (c Code) words() codeWords {
	switch c {
	case 1:
		return codeWords{"N", "normal-beat", true}
	case 2:
		return codeWords{"L", "left-bundle-branch-block-beat", true}
	case 3:
		return codeWords{"R", "right-bundle-branch-block-beat", true}
	case 4:
		return codeWords{"a", "aberrated-atrial-premature-beat", true}
	case 5:
		return codeWords{"V", "premature-ventricular-contraction", true}
	case 6:
		return codeWords{"F", "fusion-of-ventricular-and-normal-beat", true}
	case 7:
		return codeWords{"J", "junctional-premature-beat", true}
	case 8:
		return codeWords{"A", "atrial-premature-beat", true}
	case 9:
		return codeWords{"S", "supraventricular-premature-beat", true}
	case 10:
		return codeWords{"E", "ventricular-escape-beat", true}
	case 11:
		return codeWords{"j", "junctional-escape-beat", true}
	case 12:
		return codeWords{"/", "paced-beat", true}
	case 13:
		return codeWords{"Q", "unclassifiable-beat", true}
	case 25:
		return codeWords{"B", "bundle-branch-block-beat", true}
	case 30:
		return codeWords{"?", "beat-while-learning", true}
	case 34:
		return codeWords{"e", "atrial-escape-beat", true}
	case 35:
		return codeWords{"n", "supraventricular-escape-beat", true}
	case 38:
		return codeWords{"f", "fusion-of-paced-and-normal-beat", true}
	case 41:
		return codeWords{"r", "r-on-t-premature-ventricular-contraction", true}
	}
	return c.otherWords()
}

func (c Code) otherWords() codeWords {
	switch c {
	case 14:
		return codeWords{"~", "signal-quality-change", false}
	case 16:
		return codeWords{"|", "isolated-artifact", false}
	case 18:
		return codeWords{"s", "st-change", false}
	case 19:
		return codeWords{"T", "t-wave-change", false}
	case 20:
		return codeWords{"*", "systole", false}
	case 21:
		return codeWords{"D", "diastole", false}
	case 22:
		return codeWords{"\"", "note", false}
	case 23:
		return codeWords{"=", "measurement", false}
	case 24:
		return codeWords{"p", "p-wave-peak", false}
	case 26:
		return codeWords{"^", "pacer-spike", false}
	case 27:
		return codeWords{"t", "t-wave-peak", false}
	case 28:
		return codeWords{"+", "rhythm-change", false}
	case 29:
		return codeWords{"u", "u-wave-peak", false}
	case 31:
		return codeWords{"!", "ventricular-flutter-wave", false}
	case 32:
		return codeWords{"[", "ventricular-flutter-begins", false}
	case 33:
		return codeWords{"]", "ventricular-flutter-ends", false}
	case 36:
		return codeWords{"@", "link", false}
	case 37:
		return codeWords{"x", "blocked-atrial-premature-beat", false}
	case 39:
		return codeWords{"(", "waveform-begins", false}
	case 40:
		return codeWords{")", "waveform-ends", false}
	}
	return codeWords{"", "unknown-annotation", false}
}

// Symbol returns the mnemonic that annotation printers use, "N" or "V"; empty
// for a code that has none.
func (c Code) Symbol() string { return c.words().symbol }

// Word returns the code in kebab-case, "premature-ventricular-contraction".
func (c Code) Word() string { return c.words().word }

// IsBeat tells whether the annotation marks a QRS complex.
func (c Code) IsBeat() bool { return c.words().beat }

// RhythmWord returns the kebab-case word for the text of a rhythm annotation,
// such as "(AFIB"; the text itself, in lower case, for one that is not listed
// in the MIT-BIH Arrhythmia Database's directory.
func RhythmWord(text string) string {
	t := strings.TrimPrefix(strings.TrimSpace(text), "(")
	switch t {
	case "AB":
		return "atrial-bigeminy"
	case "AFIB":
		return "atrial-fibrillation"
	case "AFL":
		return "atrial-flutter"
	case "B":
		return "ventricular-bigeminy"
	case "BII":
		return "second-degree-heart-block"
	case "IVR":
		return "idioventricular-rhythm"
	case "N":
		return "normal-sinus-rhythm"
	case "NOD":
		return "nodal-rhythm"
	case "P":
		return "paced-rhythm"
	case "PREX":
		return "pre-excitation"
	case "SBR":
		return "sinus-bradycardia"
	case "SVTA":
		return "supraventricular-tachyarrhythmia"
	case "T":
		return "ventricular-trigeminy"
	case "VFL":
		return "ventricular-flutter"
	case "VT":
		return "ventricular-tachycardia"
	}
	return strings.ToLower(t)
}
