package storetest

import (
	"context"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/store"
)

// Shared returns the settings of a store that shares its database with others,
// as long as it needs no frame again.
func Shared(c store.Config) store.Config {
	c.Shared = true
	c.Frames = func(context.Context, int, uint64, uint64, func(context.Context, vigil.Frame) error) error { return nil }
	return c
}
