package check

import "github.com/vigil-iomt/vigil/fhir/tree"

type expression struct{}

type ruleRun struct{}

func compile(text string) *expression { return nil }

type guides struct{}

func (w *walk) profiles(n tree.Node, s *shape) {}

func (w *walk) hold(n tree.Node, s *shape, e *element, seen *bits) {}

func (w *walk) holdPrimitive(n, v tree.Node, s *shape, e *element, i int) {}
