// Package validation says in Go what the CRDs say in schema and CEL, for webhooks
// and controllers, and beside that what neither can say. It answers with the
// same paths as the API server, and with the same messages for CEL rules.
//
// On update it ratchets as the API server does: a rule is not asked about a
// value that has not changed, the value being the one that the rule hangs on
// in the schema.
package validation

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

var dnsSubdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)

// was is the value before an update, or nothing on create and where the API
// server cannot tell which old value belongs to the new one.
type oldValue[T any] struct{ value *T }

// unchanged says that the rules that hang on the value need not be asked. To the
// API server, an empty list or map is not the same as none.
func (w oldValue[T]) unchanged(now T) bool {
	return w.value != nil && reflect.DeepEqual(*w.value, now)
}

// oldField is the old value of a part of the old value.
func oldField[T, P any](w oldValue[T], get func(*T) *P) oldValue[P] {
	if w.value == nil {
		return oldValue[P]{}
	}
	return oldValue[P]{value: get(w.value)}
}

// text is what a schema says of a string.
type text struct {
	min, max int
	pattern  *regexp.Regexp
	rule     string
}

func (t text) check(path *field.Path, value string) field.ErrorList {
	length := utf8.RuneCountInString(value)
	switch {
	case t.max > 0 && length > t.max:
		return field.ErrorList{field.TooLong(path, value, t.max)}
	case length < t.min:
		return field.ErrorList{field.Invalid(path, value, fmt.Sprintf("must have at least %d characters", t.min))}
	case t.pattern != nil && !t.pattern.MatchString(value):
		return field.ErrorList{field.Invalid(path, value, t.rule)}
	default:
		return nil
	}
}

// optional checks a string that may be left out.
func (t text) optional(path *field.Path, value string, before oldValue[string]) field.ErrorList {
	if value == "" || before.unchanged(value) {
		return nil
	}
	return t.check(path, value)
}

// required checks a string that must be there.
func (t text) required(path *field.Path, value string, before oldValue[string]) field.ErrorList {
	if before.unchanged(value) {
		return nil
	}
	return t.check(path, value)
}

// oneOf checks an enumeration. An empty value that may be left out is none.
func oneOf[T ~string](path *field.Path, value T, before oldValue[T], optional bool, allowed ...T) field.ErrorList {
	if (optional && value == "") || before.unchanged(value) || slices.Contains(allowed, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, value, allowed)}
}

// between checks a number that may be left out.
func between(path *field.Path, value *int32, before oldValue[*int32], least, most int32) field.ErrorList {
	if value == nil || before.unchanged(value) || (*value >= least && *value <= most) {
		return nil
	}
	return field.ErrorList{field.Invalid(path, *value, fmt.Sprintf("must be %d to %d", least, most))}
}

// rule is one of the CEL rules: it holds, or this is the error.
func rule(holds bool, err *field.Error) field.ErrorList {
	if holds {
		return nil
	}
	return field.ErrorList{err}
}

// blocking says that an error is among them after which the API server asks no
// CEL rule: a value of the wrong shape or size. A pattern that does not match
// is none.
func blocking(errs field.ErrorList) bool {
	return slices.ContainsFunc(errs, func(err *field.Error) bool {
		switch err.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany:
			return true
		default:
			return false
		}
	})
}

func join(lists ...field.ErrorList) field.ErrorList {
	return slices.Concat(lists...)
}
