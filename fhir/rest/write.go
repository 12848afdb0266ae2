package rest

import (
	"context"
	"net/http"
	"strconv"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// An intent is one write that is ready to be carried out in a transaction: a
// request of its own or an entry of a Bundle.
type intent struct {
	c      *call
	kind   intentKind
	typ    string
	asked  string    // the id of the address, "" when it names none
	fresh  string    // the id that a new resource would get
	where  string    // the condition, "" without one
	doc    *tree.Doc // as it came, checked
	change *change   // of a patch
	// draft is what is written, when that can be known beforehand.
	draft *draft

	id    string           // what it is about, when settled
	old   vigil.Resource   // the newest version before; Version 0 when there is none
	found bool             // a conditional create found old, and makes nothing
	same  *intent          // an earlier entry that makes on the same condition
	many  []vigil.Resource // what a conditional delete found
	made  []vigil.Resource // what was written
}

type intentKind uint8

const (
	creates intentKind = iota
	updates
	patches
	deletes
)

// create is POST of a new resource (http.html#create, #ccreate).
func (s *Server) create(ctx context.Context, c *call) (*answer, error) {
	in, err := s.intendCreate(ctx, c)
	if err != nil {
		return nil, err
	}
	return s.carryOut(ctx, in)
}

func (s *Server) intendCreate(ctx context.Context, c *call) (*intent, error) {
	doc, _, err := s.resource(c, c.typ)
	if err != nil {
		return nil, err
	}
	in := &intent{c: c, kind: creates, typ: c.typ, fresh: vigil.NewID(c.now.Time()), where: c.ifNoneExist, doc: doc}
	if in.where != "" {
		if err := s.condition(in.typ, in.where); err != nil {
			return nil, err
		}
	}
	return in, s.check(ctx, c, doc)
}

// update is PUT at an id (http.html#update, #upsert).
func (s *Server) update(ctx context.Context, c *call) (*answer, error) {
	in, err := s.intendUpdate(ctx, c)
	if err != nil {
		return nil, err
	}
	return s.carryOut(ctx, in)
}

func (s *Server) intendUpdate(ctx context.Context, c *call) (*intent, error) {
	if !validID(c.id) {
		return nil, bad("an id has 1 to 64 letters, digits, dashes and dots").at("id")
	}
	doc, _, err := s.resource(c, c.typ)
	if err != nil {
		return nil, err
	}
	switch id := doc.Root().Get("id"); {
	case !id.Ok():
		return nil, Refuse(http.StatusBadRequest, "required", "what is put at an address says its id").at("id")
	case id.Text() != c.id:
		return nil, bad("the id %s of the resource is not that of the address", clip(id.Text())).at("id")
	}
	if err := complete(doc); err != nil {
		return nil, err
	}
	return &intent{c: c, kind: updates, typ: c.typ, asked: c.id, doc: doc}, s.check(ctx, c, doc)
}

// complete refuses what is only a part of a resource, as _summary and _elements
// give it: written back, it would take the rest away (search.html#summary).
func complete(doc *tree.Doc) error {
	for tag := range doc.Root().Get("meta").Get("tag").Items() {
		if tag.Get("code").Text() == "SUBSETTED" {
			return Refuse(http.StatusUnprocessableEntity, "business-rule", "this is a part of a resource (SUBSETTED); written back it would take the rest away").at("meta.tag")
		}
	}
	return nil
}

// delete is DELETE of one resource (http.html#delete).
func (s *Server) delete(ctx context.Context, c *call) (*answer, error) {
	return s.carryOut(ctx, &intent{c: c, kind: deletes, typ: c.typ, asked: c.id})
}

// carryOut settles and writes one intent in a transaction of its own.
func (s *Server) carryOut(ctx context.Context, in *intent) (*answer, error) {
	if in.kind == creates || in.kind == updates {
		in.draft = s.draft(in.typ, in.doc)
	}
	err := s.c.Write(ctx, func(ctx context.Context, tx Tx) error {
		if err := s.settle(ctx, tx, in); err != nil {
			return err
		}
		return s.carry(ctx, tx, in)
	})
	if err != nil {
		return nil, err
	}
	s.tell(ctx, in)
	return s.done(in), nil
}

// tell passes on what was written.
func (s *Server) tell(ctx context.Context, intents ...*intent) {
	if s.c.Written == nil {
		return
	}
	var written []vigil.Resource
	for _, in := range intents {
		written = append(written, in.made...)
	}
	if len(written) > 0 {
		s.c.Written(ctx, written)
	}
}

// settle finds out, within the transaction, what an intent is about: which
// resource, and its newest version. It may be run again.
func (s *Server) settle(ctx context.Context, tx Tx, in *intent) error {
	in.id, in.old, in.found, in.same, in.many, in.made = in.asked, vigil.Resource{}, false, nil, nil, nil
	if in.where != "" {
		return s.settleWhere(ctx, tx, in)
	}
	if in.kind == creates {
		in.id = in.fresh
		return nil
	}
	return s.settleOld(ctx, tx, in)
}

// settleOld looks up the newest version of what an intent is about, and holds
// it against what the client expects.
func (s *Server) settleOld(ctx context.Context, tx Tx, in *intent) error {
	old, shown, err := s.newest(ctx, tx, in.typ, in.id)
	if err == nil {
		in.old, err = old, in.c.stands(lives(old))
	}
	if err == nil && shown {
		err = s.adopt(ctx, tx, in.typ, in.id)
	}
	return err
}

// carry writes what an intent has settled on.
func (s *Server) carry(ctx context.Context, tx Tx, in *intent) error {
	switch {
	case in.found:
		return nil
	case in.kind == deletes:
		return s.carryDelete(ctx, tx, in)
	case in.kind == patches:
		return s.carryPatch(ctx, tx, in)
	}
	made, err := s.put(ctx, tx, in.c, in.draft, in.id, in.old)
	in.made = append(in.made, made)
	return err
}

// carryDelete buries what an intent has found; what is deleted stays as it is.
func (s *Server) carryDelete(ctx context.Context, tx Tx, in *intent) error {
	old := in.many
	if in.where == "" && lives(in.old) > 0 {
		old = []vigil.Resource{in.old}
	}
	for _, r := range old {
		made, err := s.bury(ctx, tx, in.c, r)
		if err != nil {
			return err
		}
		in.made = append(in.made, made)
	}
	return nil
}

// done is the answer to a write.
func (s *Server) done(in *intent) *answer {
	if in.kind == deletes {
		return deleted(in)
	}
	status := http.StatusOK
	if !in.found && lives(in.old) == 0 {
		status = http.StatusCreated
	}
	r := in.result()
	a := &answer{
		status: status, typ: r.Type, version: versionText(r.Version), changed: r.Changed,
		location: in.c.base + "/" + r.Type + "/" + r.ID + "/_history/" + versionText(r.Version),
	}
	switch give := in.c.prefer.give; {
	case give == "OperationOutcome":
		a.outcome = in.words()
	case give == "representation" || give != "minimal" && !in.c.nested():
		a.body = r.Body
	}
	return a
}

// result is the resource that a write has led to.
func (in *intent) result() vigil.Resource {
	switch {
	case in.same != nil:
		return in.same.result()
	case in.found:
		return in.old
	}
	return in.made[0]
}

// deleted is the answer to a delete: nothing to say, or what the client wants
// to hear.
func deleted(in *intent) *answer {
	a := &answer{status: http.StatusNoContent}
	if len(in.made) == 1 {
		a.version = versionText(in.made[0].Version)
	}
	if in.c.prefer.give == "OperationOutcome" {
		a.status, a.outcome = http.StatusOK, in.words()
	}
	return a
}

// words say what a write has done, and what there is to say of what was
// written, as an OperationOutcome.
func (in *intent) words() []byte {
	var text string
	switch {
	case in.found:
		text = "There was one already; nothing was written."
	case in.kind == deletes:
		text = strconv.Itoa(len(in.made)) + " deleted."
	default:
		text = "Version " + versionText(in.made[0].Version) + " was written."
	}
	first := Issue{Severity: "information", Code: "informational", Text: text}
	return AppendOutcome(nil, append([]Issue{first}, in.c.hints...)...)
}

func versionText(v int64) string { return strconv.FormatInt(v, 10) }

// parsed reads a body out of the record.
func parsed(r vigil.Resource) (*tree.Doc, error) {
	doc, err := tree.Parse(r.Body)
	if err != nil {
		return nil, vigil.Errorf(vigil.Internal, "a body of the record cannot be read: %w", err)
	}
	return doc, nil
}
