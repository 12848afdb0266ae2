package schema

// A Package is an implementation guide.
type Package struct {
	Name, Version string
}
