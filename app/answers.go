package app

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/vigil-iomt/vigil/protocol/httpin"
	"github.com/vigil-iomt/vigil/store"
)

// answers keeps what was answered under an Idempotency-Key in the store. The
// id is a hash of credential and key already.
type answers struct{ db *store.DB }

// Answer returns what is remembered.
func (a answers) Answer(ctx context.Context, id string) (httpin.Answer, bool, error) {
	kept, ok, err := a.db.Idempotency(ctx, "http", id)
	if err != nil || !ok {
		return httpin.Answer{}, false, err
	}
	return httpin.Answer{Sum: hex.EncodeToString(kept.BodyHash[:]), Status: kept.Status, Body: kept.Body, At: kept.At}, true, nil
}

// SaveAnswer remembers an answer.
func (a answers) SaveAnswer(ctx context.Context, id string, answer httpin.Answer) error {
	sum, err := hex.DecodeString(answer.Sum)
	if err != nil || len(sum) != 32 {
		return fmt.Errorf("remember answer: %q is not a SHA-256 sum", answer.Sum)
	}
	return a.db.SaveIdempotency(ctx, "http", id, [32]byte(sum), answer.Status, answer.Body, answer.At)
}
