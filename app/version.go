package app

import "runtime/debug"

// release is the version of this source tree.
const release = "0.1.0"

// Versions says what this binary is.
type Versions struct {
	Vigil  string `json:"vigil"`
	Commit string `json:"commit"`
	Go     string `json:"go"`
}

// Version reads the versions from the binary itself.
func Version() Versions {
	v := Versions{Vigil: release, Commit: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Go = info.GoVersion
	modified := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	if modified {
		v.Commit += "+changes"
	}
	return v
}
