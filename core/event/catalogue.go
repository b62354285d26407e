package event

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Type is a type of event, as a module has declared it.
type Type struct {
	Name    string // on the wire: "gatehouse.user.registered.v1"
	Doc     string // when it is told
	Members []Member

	holds reflect.Type
}

var validType = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*\.[a-z][a-z0-9]*(_[a-z0-9]+)*\.v[1-9][0-9]*$`)

// Declare adds a type of event, while modules are built; doc says when it is told. It panics where the type's name is
// malformed or taken, or a member cannot be carried: that is a mistake in the program, found by building it once.
func Declare[E Event](o *Outbox, doc string) {
	var zero E
	name := zero.Event().Type
	if !validType.MatchString(name) {
		panic(fmt.Sprintf("event: %q is no type: write aggregate, past tense and version, such as user.registered.v1", name))
	}
	if doc == "" {
		panic(fmt.Sprintf("event: %s has no doc", name))
	}
	if _, taken := o.types[typePrefix+name]; taken {
		panic(fmt.Sprintf("event: %s is declared twice", name))
	}
	members, err := membersOf(reflect.TypeFor[E]())
	if err != nil {
		panic("event: " + err.Error())
	}
	o.types[typePrefix+name] = Type{Name: typePrefix + name, Doc: doc, Members: members, holds: reflect.TypeFor[E]()}
}

// Types lists every type that was declared, by name.
func (o *Outbox) Types() []Type {
	all := make([]Type, 0, len(o.types))
	for _, t := range o.types {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b Type) int { return strings.Compare(a.Name, b.Name) })
	return all
}
