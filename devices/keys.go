package devices

// A key is one key that a section of a profile may have. The lists below are
// what the reader accepts and what the JSON schema for editors is made from.
type key struct {
	name     string
	kind     keyKind
	required bool
	says     string // for people who write profiles
}

// keyKind says what a key's value looks like.
type keyKind uint8

const (
	aText keyKind = iota
	aName
	aNumber
	aCount
	aFlag
	aPath
	aPathOrMap // a path, or {path: …}
	aCondition
	aDuration
	aCadence
	aUnit
	aUnitOrMap
	aNumberOrMap
	aRate
	aCode
	aRange
	aSpecials
	aWords
	someNames
	aTimeMap
	aCSVMap
	somePanels
	someCodes
	someReadings
	someWaves
	someEvents
	someStates
	someExamples
	aPayload
	aWant
	aDataMap
	someUnitWords
	aZone
)

// profileKeys are the keys of a profile.
func profileKeys() []key {
	return []key{
		{"profile", aName, true, "name of the device type, kebab-case, the same as the file's"},
		{"title", aText, true, "what people call it"},
		{"maker", aText, false, "who makes it"},
		{"model", aText, false, "the maker's name of the model"},
		{"kind", aName, true, "sort of device: decides icon, default rules and screens"},
		{"code", aCode, false, "standard code of the device type"},
		{"codes", someCodes, false, "codes used below that Vigil's table does not have"},
		{"firmware", aText, false, "range of versions that this file was verified with, as \">=1.0 <3\"; outside it readings are marked unverified"},
		{"source", aText, true, "document and table that this file was written from"},
		{"codec", aName, true, "how bytes become fields: json, csv, cbor, gatt"},
		{"csv", aCSVMap, false, "columns and separator, for the csv codec"},
		{"aliases", someNames, false, "names that this profile had before"},
		{"channels", someNames, false, "channels that the device sends on; without it every channel is accepted"},
		{"shared", aFlag, false, "goes from patient to patient: each message must say whose it is"},
		{"each", aPath, false, "list in the message whose items are read one by one; paths that begin with a dot start at the item"},
		{"time", aTimeMap, false, "where the device says when it measured, and whose clock counts"},
		{"number", aPathOrMap, false, "record number, by which repeats and corrections are recognised"},
		{"patient", aPathOrMap, false, "identity of the patient in the message"},
		{"correction", aPathOrMap, false, "flag that says that this replaces the reading with the same identity"},
		{"cadence", aCadence, false, "expected time between readings, as 1 s or 5 min, or spot"},
		{"silence", aDuration, false, "how long a series may be silent; default ten cadences below one minute, three above"},
		{"heartbeat", aDuration, false, "longest time between two messages of a healthy device"},
		{"panels", somePanels, false, "readings that belong together in one Observation"},
		{"readings", someReadings, false, "measured values"},
		{"waves", someWaves, false, "blocks of equally spaced samples"},
		{"events", someEvents, false, "things that happen"},
		{"states", someStates, false, "what the device says instead of a value"},
		{"examples", someExamples, true, "messages and what they must become; at least one must be refused"},
	}
}

// readingKeys are the keys of a reading.
func readingKeys() []key {
	return []key{
		{"metric", aName, true, "name of what is measured, the same in every profile, rule and screen"},
		{"title", aText, false, "what people call it"},
		{"path", aPath, true, "where the value is"},
		{"when", aCondition, false, "only when this holds"},
		{"each", aPath, false, "list of its own, instead of the profile's"},
		{"channel", aName, false, "only on this channel"},
		{"time", aPath, false, "time of its own, instead of the profile's; same format"},
		{"unit", aUnitOrMap, true, "unit that is sent (UCUM), or where the message says it"},
		{"store", aUnit, false, "unit that is kept; default the one sent"},
		{"molar-mass", aText, false, "mass of one mole, as 180.156 g/mol, to convert between mass and amount"},
		{"code", aCode, false, "standard codes: loinc, mdc, sct"},
		{"scale", aNumber, false, "multiplies the number sent"},
		{"offset", aNumber, false, "is added behind the scale"},
		{"decimals", aCount, false, "digits behind the point that the device means; default those sent"},
		{"valid", aRange, false, "what the sensor can give, in the unit kept; never what a patient should have"},
		{"specials", aSpecials, false, "values with a meaning of their own: above 600 mg/dL, below 20 mg/dL, a state, or nothing"},
		{"words", aWords, false, "words that stand for numbers, as {on: 1, off: 0}"},
		{"quoted", aFlag, false, "the number is sent as text"},
		{"required", aFlag, false, "a message without it is refused"},
		{"category", aName, false, "FHIR observation category; default that of the code"},
		{"panel", aName, false, "the panel it belongs to"},
		{"cadence", aCadence, false, "instead of the profile's"},
		{"silence", aDuration, false, "instead of the profile's"},
	}
}

// waveKeys are the keys of a wave.
func waveKeys() []key {
	return []key{
		{"metric", aName, true, "name of what is sampled"},
		{"title", aText, false, "what people call it"},
		{"path", aPath, true, "where the list of samples is, null for a missing one"},
		{"when", aCondition, false, "only when this holds"},
		{"each", aPath, false, "list of its own, instead of the profile's"},
		{"channel", aName, false, "only on this channel"},
		{"time", aPath, false, "time of the first sample, instead of the profile's; same format"},
		{"rate", aRate, true, "samples per second, as 250 /s or 1000/3 /s, or where the message says it"},
		{"gain", aNumberOrMap, false, "value of one step, in the unit; or where the message says it"},
		{"offset", aNumberOrMap, false, "value of sample 0; or where the message says it"},
		{"physical", aFlag, false, "samples are sent as values in the unit and kept in steps of gain"},
		{"unit", aUnit, true, "unit of the values (UCUM)"},
		{"code", aCode, false, "standard codes: loinc, mdc, sct"},
		{"category", aName, false, "FHIR observation category"},
		{"silence", aDuration, false, "instead of the default of 10 s"},
	}
}

// eventKeys are the keys of an event.
func eventKeys() []key {
	return []key{
		{"event", aName, true, "type of the event, as dose-taken"},
		{"title", aText, true, "what people call it"},
		{"path", aPath, false, "happened when this is there"},
		{"when", aCondition, false, "happened when this holds"},
		{"each", aPath, false, "list of its own, instead of the profile's"},
		{"channel", aName, false, "only on this channel"},
		{"time", aPath, false, "time of its own, instead of the profile's; same format"},
		{"code", aCode, false, "standard codes: loinc, mdc, sct"},
		{"data", aDataMap, false, "what else the message says about it: name and path"},
	}
}

// stateKeys are the keys of a state.
func stateKeys() []key {
	return []key{
		{"when", aCondition, true, "the device says so when this holds"},
		{"says", aName, true, "the state, one of Vigil's closed list"},
		{"absent", someNames, true, "metrics that have no value then"},
		{"each", aPath, false, "list of its own, instead of the profile's"},
		{"channel", aName, false, "only on this channel"},
	}
}

// exampleKeys are the keys of an example.
func exampleKeys() []key {
	return []key{
		{"name", aText, true, "what the example shows"},
		{"channel", aName, false, "channel that the message comes on"},
		{"payload", aPayload, true, "the message: as YAML or JSON, or as text; hexadecimal for binary codecs"},
		{"want", aWant, false, "every reading and event that it must give"},
		{"waves", aWant, false, "every wave that it must give"},
		{"refuse", aText, false, "what must be refused, and why"},
		{"at", aText, false, "time that everything in it must have"},
		{"patient", aText, false, "patient that the message must name"},
	}
}

// timeKeys are the keys below time.
func timeKeys() []key {
	return []key{
		{"path", aPath, true, "where the time is"},
		{"format", aText, true, "unix-s, unix-ms, unix-us, rfc3339, or a layout as YYYY-MM-DD hh:mm:ss"},
		{"zone", aZone, false, "zone of times that do not say it, as Europe/Berlin; default UTC"},
		{"now", aPath, false, "where the device says what its clock shows now; same format"},
		{"drift", aName, false, "trust the device's time, correct it by its now, or ignore it and take the arrival"},
		{"required", aFlag, false, "a message without it is refused"},
	}
}

// csvKeys are the keys below csv.
func csvKeys() []key {
	return []key{
		{"separator", aText, false, "one character, or tab; default a comma"},
		{"columns", someNames, false, "names of the columns; without it the first line of each message names them"},
		{"decimal-comma", aFlag, false, "numbers are written 36,6"},
	}
}

// codeKeys are the keys of a code that the table does not have.
func codeKeys() []key {
	return []key{
		{"loinc", aText, false, "LOINC code"},
		{"mdc", aText, false, "IEEE 11073-10101 code"},
		{"sct", aText, false, "SNOMED CT code"},
		{"display", aText, true, "what its system calls it"},
		{"unit", aUnit, false, "a unit that its values can have"},
	}
}

// panelKeys are the keys of a panel.
func panelKeys() []key {
	return []key{{"code", aCode, true, "standard codes: loinc, mdc, sct"}}
}

// unitKeys are the keys below unit.
func unitKeys() []key {
	return []key{
		{"path", aPath, true, "where the message says its unit"},
		{"words", someUnitWords, false, "the device's words for units; UCUM is understood as well"},
		{"default", aUnit, false, "unit of a message that does not say it"},
	}
}

// pathKeys are the keys of what is read from the message.
func pathKeys() []key {
	return []key{{"path", aPath, true, "where it is"}}
}
