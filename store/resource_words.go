package store

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/vigil-iomt/vigil"
)

// wordsAtOnce bounds how many words are kept in memory.
const wordsAtOnce = 1 << 16

// Words are what rows of resources name by number. A number never changes its
// word.
type words struct {
	mu     sync.Mutex
	byNo   map[int64]string
	byWord map[string]int64
	actors map[int64]vigil.Actor // what words say that are actors
}

// learn keeps a word in memory.
func (w *words) learn(no int64, word string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byNo == nil || len(w.byNo) >= wordsAtOnce {
		w.byNo, w.byWord = map[int64]string{}, map[string]int64{}
	}
	w.byNo[no], w.byWord[word] = word, no
}

func (w *words) number(word string) (int64, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	no, ok := w.byWord[word]
	return no, ok
}

func (w *words) word(no int64) (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	word, ok := w.byNo[no]
	return word, ok
}

// wordNumber returns the number of a word; 0 when nothing was ever written with
// it.
func (db *DB) wordNumber(ctx context.Context, word string) (int64, error) {
	if no, ok := db.words.number(word); ok {
		return no, nil
	}
	var no int64
	err := db.rd.each(ctx, func(rows scanner) error { return rows.Scan(&no) },
		`SELECT no FROM resource_words WHERE word = $1`, word)
	if err == nil && no != 0 {
		db.words.learn(no, word)
	}
	return no, err
}

// word returns the word of a number.
func (db *DB) word(ctx context.Context, no int64) (string, error) {
	if word, ok := db.words.word(no); ok {
		return word, nil
	}
	word, found := "", false
	err := db.rd.each(ctx, func(rows scanner) error {
		found = true
		return rows.Scan(&word)
	}, `SELECT word FROM resource_words WHERE no = $1`, no)
	switch {
	case err != nil:
		return "", err
	case !found:
		return "", damaged("resource", fmt.Errorf("there is no word %d", no))
	}
	db.words.learn(no, word)
	return word, nil
}

// actor returns the actor of a number.
func (db *DB) actor(ctx context.Context, no int64) (vigil.Actor, error) {
	w := &db.words
	w.mu.Lock()
	a, ok := w.actors[no]
	w.mu.Unlock()
	if ok {
		return a, nil
	}
	word, err := db.word(ctx, no)
	if err != nil {
		return a, err
	}
	if word == "" || json.Unmarshal([]byte(word[1:]), &a) != nil {
		return a, damaged("resource", fmt.Errorf("word %d is no actor", no))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.actors == nil || len(w.actors) >= wordsAtOnce {
		w.actors = map[int64]vigil.Actor{}
	}
	w.actors[no] = a
	return a, nil
}

// Words of each sort begin with a letter, so that an actor is not taken for a
// type.
func typeWord(typ string) string { return "t" + typ }

func ownerWord(owner string) string { return "o" + owner }

func actorWord(a vigil.Actor) (string, error) {
	text, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("write actor: %w", err)
	}
	return "a" + string(text), nil
}

// typeNumbers returns the numbers of types; of all types when there are none.
// Types that nothing was ever written of are left out.
func (db *DB) typeNumbers(ctx context.Context, types []string) ([]int64, error) {
	var out []int64
	if len(types) == 0 {
		err := db.rd.each(ctx, func(rows scanner) error {
			var no int64
			if err := rows.Scan(&no); err != nil {
				return fault("read words", err)
			}
			out = append(out, no)
			return nil
		}, `SELECT no FROM resource_words WHERE word >= 't' AND word < 'u' ORDER BY no`)
		return out, err
	}
	for _, t := range types {
		no, err := db.wordNumber(ctx, typeWord(t))
		if err != nil {
			return nil, err
		}
		if no != 0 {
			out = append(out, no)
		}
	}
	return out, nil
}

// methods are the HTTP methods that make versions. Their place is kept, so that
// the order never changes.
func methods() [5]string { return [5]string{"", "POST", "PUT", "PATCH", "DELETE"} }

// stateOf packs what made a version and whether it is a deletion.
func stateOf(r *vigil.Resource) (int64, error) {
	for i, m := range methods() {
		if m == r.Method {
			return int64(i<<1 | flag(r.Deleted)), nil
		}
	}
	return 0, vigil.Errorf(vigil.Invalid, "%s makes no version of a resource", r.Method)
}

// setState unpacks a state.
func setState(r *vigil.Resource, state int64) error {
	m := methods()
	if state < 0 || int(state>>1) >= len(m) {
		return damaged("resource", fmt.Errorf("state %d", state))
	}
	r.Method, r.Deleted = m[state>>1], state&1 != 0
	return nil
}
