// SPDX-License-Identifier: Apache-2.0

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

// oldValue is the value before an update. It is empty on create, and where the API
// server cannot correlate an old value with the new one.
type oldValue[T any] struct{ value *T }

// unchanged reports whether the rules that are attached to the value can be
// skipped. For the API server, an empty list or map differs from an absent one.
func (o oldValue[T]) unchanged(current T) bool {
	return o.value != nil && reflect.DeepEqual(*o.value, current)
}

// oldField returns the old value of a field of an old value.
func oldField[T, F any](old oldValue[T], get func(*T) *F) oldValue[F] {
	if old.value == nil {
		return oldValue[F]{}
	}
	return oldValue[F]{value: get(old.value)}
}

// text is the schema of a string.
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

// optional checks a string that may be empty.
func (t text) optional(path *field.Path, value string, old oldValue[string]) field.ErrorList {
	if value == "" || old.unchanged(value) {
		return nil
	}
	return t.check(path, value)
}

// required checks a string that must not be empty.
func (t text) required(path *field.Path, value string, old oldValue[string]) field.ErrorList {
	if old.unchanged(value) {
		return nil
	}
	return t.check(path, value)
}

// oneOf checks an enumeration. An empty optional value is allowed.
func oneOf[T ~string](path *field.Path, value T, old oldValue[T], optional bool, allowed ...T) field.ErrorList {
	if (optional && value == "") || old.unchanged(value) || slices.Contains(allowed, value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, value, allowed)}
}

// between checks an optional number.
func between(path *field.Path, value *int32, old oldValue[*int32], least, most int32) field.ErrorList {
	if value == nil || old.unchanged(value) || (*value >= least && *value <= most) {
		return nil
	}
	return field.ErrorList{field.Invalid(path, *value, fmt.Sprintf("must be between %d and %d", least, most))}
}

// rule returns the error if a rule does not hold.
func rule(holds bool, err *field.Error) field.ErrorList {
	if holds {
		return nil
	}
	return field.ErrorList{err}
}

// blocking reports whether one of the errors keeps the API server from evaluating
// CEL rules: a value of the wrong type or size. A pattern that does not match is
// not such an error.
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
