package vigil

import "context"

// An ActorKind tells what sort of thing acts.
type ActorKind string

// The kinds of actor.
const (
	Person      ActorKind = "person"
	DeviceActor ActorKind = "device"
	Application ActorKind = "application"
	System      ActorKind = "system"
)

// An Actor is who acts. Every write carries one.
type Actor struct {
	Kind  ActorKind `json:"kind"`
	ID    string    `json:"id"`
	Roles []string  `json:"roles,omitempty"`
}

// LocalAdmin is whoever can open the socket in the data folder: the owner of
// the installation.
func LocalAdmin() Actor {
	return Actor{Kind: Person, ID: "local-admin", Roles: []string{"admin"}}
}

// An Action is the one name of what a route, stream or command does:
// "device.register", "reading.search". Policy and audit hang on it.
type Action string

type actorKey struct{}

// WithActor returns a context in which a acts.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom returns who acts, and false when nobody is known.
func ActorFrom(ctx context.Context) (Actor, bool) {
	a, ok := ctx.Value(actorKey{}).(Actor)
	return a, ok && a.ID != ""
}
