package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vigil-iomt/vigil"
)

// SaveDocuments writes versions of documents in one transaction that is on disk
// when it returns. A document names in Version the version that it replaces, 0
// when it is new; another version than the newest is vigil.Conflicting, and
// nothing is saved. A document without an actor is refused as vigil.Invalid.
func (db *DB) SaveDocuments(ctx context.Context, docs ...vigil.Document) error {
	for _, d := range docs {
		if d.Actor.ID == "" {
			return vigil.Errorf(vigil.Invalid, "a %s record without an author is not saved", d.Kind)
		}
		if d.Kind == "" || d.ID == "" {
			return vigil.Errorf(vigil.Invalid, "a record needs a kind and an id")
		}
	}
	return db.d.in(ctx, func(tx *sql.Tx) error {
		for _, d := range docs {
			if err := db.saveDocument(ctx, tx, d); err != nil {
				return err
			}
		}
		return nil
	})
}

// saveDocument writes the next version of one document.
func (db *DB) saveDocument(ctx context.Context, tx *sql.Tx, d vigil.Document) error {
	actor, err := json.Marshal(d.Actor)
	if err != nil {
		return fmt.Errorf("write actor: %w", err)
	}
	var res sql.Result
	if d.Version == 0 {
		res, err = db.d.exec(ctx, tx, `INSERT INTO documents (kind, id, version, deleted) VALUES ($1, $2, 1, $3)
			ON CONFLICT (kind, id) DO NOTHING`, d.Kind, d.ID, flag(d.Deleted))
	} else {
		res, err = db.d.exec(ctx, tx, `UPDATE documents SET version = version + 1, deleted = $1
			WHERE kind = $2 AND id = $3 AND version = $4`, flag(d.Deleted), d.Kind, d.ID, d.Version)
	}
	if err != nil {
		return fault("save document", err)
	}
	if n, err := res.RowsAffected(); err != nil || n != 1 {
		return vigil.Errorf(vigil.Conflicting, "the %s record was changed by somebody else; read it again", d.Kind)
	}
	_, err = db.d.exec(ctx, tx, `INSERT INTO versions (kind, id, version, changed, actor, deleted, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, d.Kind, d.ID, d.Version+1, int64(d.Changed), string(actor), flag(d.Deleted),
		db.c.Sealer.Seal(nil, documentKey(d), d.Body))
	if err != nil {
		return fault("save document version", err)
	}
	return nil
}

// documentKey names whose key seals a document.
func documentKey(d vigil.Document) string {
	if d.Kind == "patient" {
		return vigil.PatientSubject(vigil.PatientID(d.ID)).String()
	}
	return systemKey
}

// flag is how the databases keep a truth value.
func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// versionColumns are the columns that document reads.
const versionColumns = `v.kind, v.id, v.version, v.changed, v.actor, v.deleted, v.body`

// Documents returns the newest version of every document of a kind that is not
// deleted, by id.
func (db *DB) Documents(ctx context.Context, kind string) ([]vigil.Document, error) {
	return db.documents(ctx, `SELECT `+versionColumns+` FROM documents d
		JOIN versions v ON v.kind = d.kind AND v.id = d.id AND v.version = d.version
		WHERE d.kind = $1 AND d.deleted = 0 ORDER BY d.id`, kind)
}

// Document returns the newest version of a document; one that is deleted or
// never was is vigil.NotFound.
func (db *DB) Document(ctx context.Context, kind, id string) (vigil.Document, error) {
	docs, err := db.documents(ctx, `SELECT `+versionColumns+` FROM documents d
		JOIN versions v ON v.kind = d.kind AND v.id = d.id AND v.version = d.version
		WHERE d.kind = $1 AND d.id = $2 AND d.deleted = 0`, kind, id)
	if err != nil {
		return vigil.Document{}, err
	}
	if len(docs) == 0 {
		return vigil.Document{}, vigil.Errorf(vigil.NotFound, "there is no such %s", kind)
	}
	return docs[0], nil
}

// DocumentHistory returns every version of a document, oldest first, deletions
// included.
func (db *DB) DocumentHistory(ctx context.Context, kind, id string) ([]vigil.Document, error) {
	docs, err := db.documents(ctx, `SELECT `+versionColumns+` FROM versions v
		WHERE v.kind = $1 AND v.id = $2 ORDER BY v.version`, kind, id)
	if err == nil && len(docs) == 0 {
		err = vigil.Errorf(vigil.NotFound, "there is no such %s", kind)
	}
	return docs, err
}

// DocumentVersion returns one version of a document, deletions included.
func (db *DB) DocumentVersion(ctx context.Context, kind, id string, version int64) (vigil.Document, error) {
	docs, err := db.documents(ctx, `SELECT `+versionColumns+` FROM versions v
		WHERE v.kind = $1 AND v.id = $2 AND v.version = $3`, kind, id, version)
	if err != nil {
		return vigil.Document{}, err
	}
	if len(docs) == 0 {
		return vigil.Document{}, vigil.Errorf(vigil.NotFound, "there is no such version of this %s", kind)
	}
	return docs[0], nil
}

// DocumentsSince returns the versions of a document behind one, oldest first,
// deletions included, as many as limit at most.
func (db *DB) DocumentsSince(ctx context.Context, kind, id string, version int64, limit int) ([]vigil.Document, error) {
	return db.documents(ctx, `SELECT `+versionColumns+` FROM versions v
		WHERE v.kind = $1 AND v.id = $2 AND v.version > $3 ORDER BY v.version LIMIT $4`, kind, id, version, limit)
}

// documents runs a query for documents.
func (db *DB) documents(ctx context.Context, text string, args ...any) ([]vigil.Document, error) {
	var docs []vigil.Document
	err := db.d.each(ctx, func(rows scanner) error {
		var d vigil.Document
		var actor string
		var deleted int
		var body []byte
		if err := rows.Scan(&d.Kind, &d.ID, &d.Version, &d.Changed, &actor, &deleted, &body); err != nil {
			return fault("read document", err)
		}
		d.Deleted = deleted != 0
		if err := json.Unmarshal([]byte(actor), &d.Actor); err != nil {
			return damaged("actor of a document", err)
		}
		var err error
		if d.Body, err = db.c.Sealer.Open(nil, body); err != nil {
			return damaged("document", err)
		}
		docs = append(docs, d)
		return nil
	}, text, args...)
	return docs, err
}

// An Answer is what was answered to a request that carried an Idempotency-Key.
type Answer struct {
	BodyHash [32]byte // SHA-256 of the request's body
	Status   int      // HTTP status
	Body     []byte
	At       vigil.Instant
}

// SaveIdempotency keeps the answer to a request by its credential and
// Idempotency-Key. The first answer stays: a second under the same key is
// ignored.
func (db *DB) SaveIdempotency(ctx context.Context, credential, key string, bodyHash [32]byte, status int, response []byte, at vigil.Instant) error {
	return db.d.in(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO answers (credential, key, body, status, answer, at)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (credential, key) DO NOTHING`,
			credential, key, bodyHash[:], status, db.c.Sealer.Seal(nil, systemKey, response), int64(at))
		if err != nil {
			return fault("save answer", err)
		}
		return nil
	})
}

// Idempotency returns the answer that was given under a key, and false when
// there is none.
func (db *DB) Idempotency(ctx context.Context, credential, key string) (Answer, bool, error) {
	var a Answer
	found := false
	err := db.d.each(ctx, func(rows scanner) error {
		var hash, body []byte
		if err := rows.Scan(&hash, &a.Status, &body, &a.At); err != nil {
			return fault("read answer", err)
		}
		if copy(a.BodyHash[:], hash) != len(a.BodyHash) {
			return damaged("answer", errors.New("short hash"))
		}
		var err error
		if a.Body, err = db.c.Sealer.Open(nil, body); err != nil {
			return damaged("answer", err)
		}
		found = true
		return nil
	}, `SELECT body, status, answer, at FROM answers WHERE credential = $1 AND key = $2`, credential, key)
	return a, found, err
}
