package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/vigil-iomt/vigil"
)

// An installation is what is decided once, when the store is first used, and is
// the same for every process that shares it.
type installation struct {
	ID string `json:"id"`
	// ObservationKey makes the ids of projected Observations unguessable.
	ObservationKey []byte        `json:"observationKey"`
	Created        vigil.Instant `json:"created"`
}

// kindInstallation is the kind of its document.
const kindInstallation = "installation"

// installed reads the installation, or makes it.
func (s *server) installed(ctx context.Context) (installation, error) {
	i, err := s.readInstallation(ctx)
	if vigil.KindOf(err) != vigil.NotFound {
		return i, err
	}
	now := time.Now()
	i = installation{ID: vigil.NewID(now), ObservationKey: make([]byte, 16), Created: vigil.InstantOf(now)}
	if _, err := rand.Read(i.ObservationKey); err != nil {
		return i, fmt.Errorf("make installation key: %w", err)
	}
	body, err := json.Marshal(i)
	if err != nil {
		return i, fmt.Errorf("write installation: %w", err)
	}
	err = s.db.SaveDocuments(ctx, vigil.Document{
		Kind: kindInstallation, ID: "self", Body: body, Changed: i.Created, Actor: vigil.Actor{Kind: vigil.System, ID: "start"},
	})
	if vigil.KindOf(err) == vigil.Conflicting {
		return s.readInstallation(ctx) // another process was first
	}
	return i, err
}

// readInstallation reads the installation's document.
func (s *server) readInstallation(ctx context.Context) (installation, error) {
	var i installation
	d, err := s.db.Document(ctx, kindInstallation, "self")
	if err != nil {
		return i, err
	}
	if err := json.Unmarshal(d.Body, &i); err != nil {
		return i, fmt.Errorf("read installation: %w", err)
	}
	if len(i.ObservationKey) != 16 {
		return i, vigil.Errorf(vigil.Internal, "the installation's record is damaged")
	}
	return i, nil
}
