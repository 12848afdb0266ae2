package app

import (
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/devices/iomt"
)

// LoadProfiles reads the catalogue of device types: the built-in one with the
// files of a folder over it, and the folders there that hold the mapping pair of
// an IoMT connector.
func LoadProfiles(dir string) (*devices.Catalog, []devices.Problem) {
	return devices.Load(dir, iomt.ReadFolder)
}
