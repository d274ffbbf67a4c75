// SPDX-License-Identifier: Apache-2.0

package validation_test

import (
	"strconv"
	"testing"

	"github.com/signet-dev/signet/internal/testing/layers"
)

func TestGoRules(t *testing.T) {
	for _, c := range layers.Cases(t) {
		if c.SchemaOnly != "" {
			continue // only the schema can check it
		}
		t.Run(c.Kind+"/"+c.Name, func(t *testing.T) {
			old, object := c.Objects(t)
			var found []string
			for _, err := range layers.InGo(t, old, object) {
				found = append(found, err.Field+": "+err.Detail)
			}
			c.Compare(t, found)
		})
	}
}

func TestSchema(t *testing.T) {
	for _, c := range layers.Cases(t) {
		t.Run(c.Kind+"/"+c.Name, func(t *testing.T) {
			old, object := c.Objects(t)
			c.Compare(t, layers.InSchema(t, layers.Shipped, old, object))
		})
	}
}

// TestSchemaAgrees compares the results of the Go rules and of the schema in
// process on generated objects: new ones, changed ones, and ones that a schema
// without rules accepted.
func TestSchemaAgrees(t *testing.T) {
	begin := layers.Seed(t)
	t.Run("create", func(t *testing.T) {
		layers.Run(t, layers.CreateRuns, begin, func(t *testing.T, seed uint64) bool {
			t.Helper()
			m := layers.NewMaker(seed)
			object, paths := m.Change(t, m.Base(), m.IntN(4))
			return layers.AgreeWithGo(t, layers.InSchema(t, layers.Shipped, nil, object), nil, object, paths)
		})
	})
	t.Run("update", func(t *testing.T) { layers.Run(t, layers.UpdateRuns, begin, updates(layers.Shipped)) })
	t.Run("ratchet", func(t *testing.T) { layers.Run(t, layers.RatchetRuns, begin, updates(layers.Lax)) })
}

// updates compares updates of objects that the given schema accepts.
func updates(accepting layers.Schemas) func(*testing.T, uint64) bool {
	return func(t *testing.T, seed uint64) bool {
		t.Helper()
		m := layers.NewMaker(seed)
		old, _ := m.Change(t, m.Base(), m.IntN(4))
		old.SetName("update-" + strconv.FormatUint(seed, 36))
		if len(layers.InSchema(t, accepting, nil, old)) > 0 {
			return false
		}
		object, paths := m.Change(t, old, m.IntN(3))
		object.SetName(old.GetName())
		return layers.AgreeWithGo(t, layers.InSchema(t, layers.Shipped, old, object), old, object, paths)
	}
}
