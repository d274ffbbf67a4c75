// SPDX-License-Identifier: Apache-2.0

package crd

import (
	"context"
	"slices"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/api/operation"
	metadata "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/features"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
)

// Evaluator evaluates one version of a CRD. It is safe for concurrent use.
type Evaluator struct {
	kind       schema.GroupVersionKind
	namespaced bool
	hasStatus  bool
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	cel        *cel.Validator
}

// Validate returns the errors that the API server answers to the creation of an
// object or, if old is not nil, to an update of old to the object. Like the API
// server it adds an error without a path if it did not run the CEL rules.
func (e *Evaluator) Validate(ctx context.Context, object, old *unstructured.Unstructured) field.ErrorList {
	object = e.decode(object)
	if object.GroupVersionKind() != e.kind {
		return field.ErrorList{field.Invalid(field.NewPath("kind"), object.GroupVersionKind().String(), "must be "+e.kind.String())}
	}
	if old == nil {
		return e.validateCreate(ctx, object)
	}
	return e.validateUpdate(ctx, object, e.decode(old))
}

// decode returns a copy of the object as the API server has it after decoding:
// with defaults, and without unknown fields.
func (e *Evaluator) decode(object *unstructured.Unstructured) *unstructured.Unstructured {
	decoded := object.DeepCopy()
	defaulting.Default(decoded.Object, e.structural)
	pruning.Prune(decoded.Object, e.structural, true)
	defaulting.PruneNonNullableNullsWithoutDefaults(decoded.Object, e.structural)
	return decoded
}

func (e *Evaluator) validateCreate(ctx context.Context, object *unstructured.Unstructured) field.ErrorList {
	if e.hasStatus {
		delete(object.Object, "status")
	}
	errs := e.validateMetadata(ctx, object, nil)
	errs = append(errs, validation.ValidateCustomResource(nil, object.Object, e.schema)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, e.structural, object.Object)...)
	return append(errs, e.validateRules(ctx, errs, object, nil)...)
}

func (e *Evaluator) validateUpdate(ctx context.Context, object, old *unstructured.Unstructured) field.ErrorList {
	if e.hasStatus {
		delete(object.Object, "status")
		if status, exists := old.Object["status"]; exists {
			object.Object["status"] = status
		}
	}
	keepServerMetadata(object, old)
	correlated := common.NewCorrelatedObject(object.Object, old.Object, &model.Structural{Structural: e.structural})
	errs := e.validateMetadata(ctx, object, old)
	errs = append(errs, validation.ValidateCustomResourceUpdate(nil, object.Object, old.Object, e.schema, validation.WithRatcheting(correlated))...)
	if len(listtype.ValidateListSetsAndMaps(nil, e.structural, old.Object)) == 0 {
		errs = append(errs, listtype.ValidateListSetsAndMaps(nil, e.structural, object.Object)...)
	}
	return append(errs, e.validateRules(ctx, errs, object, old.Object, cel.WithRatcheting(correlated))...)
}

// keepServerMetadata takes from old what no update changes, so that the object is
// an update of exactly this version, whatever the caller omitted.
func keepServerMetadata(object, old *unstructured.Unstructured) {
	old.SetResourceVersion("1")
	object.SetResourceVersion("1")
	object.SetUID(old.GetUID())
	object.SetGeneration(old.GetGeneration())
	object.SetCreationTimestamp(old.GetCreationTimestamp())
	object.SetDeletionTimestamp(old.GetDeletionTimestamp())
	object.SetDeletionGracePeriodSeconds(old.GetDeletionGracePeriodSeconds())
}

// validateRules runs the CEL rules, unless an error found before prevents them.
func (e *Evaluator) validateRules(ctx context.Context, found field.ErrorList, object *unstructured.Unstructured, old any, options ...cel.Option) field.ErrorList {
	if slices.ContainsFunc(found, blocksRules) {
		return field.ErrorList{field.Invalid(nil, nil, "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation")}
	}
	errs, _ := e.cel.Validate(ctx, nil, e.structural, object.Object, old, celconfig.RuntimeCELCostBudget, options...)
	return errs
}

// blocksRules reports whether CEL rules could not rely on the schema.
func blocksRules(err *field.Error) bool {
	return slices.Contains([]field.ErrorType{
		field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid,
	}, err.Type)
}

func (e *Evaluator) validateMetadata(ctx context.Context, object, old *unstructured.Unstructured) field.ErrorList {
	path := field.NewPath("metadata")
	meta, err := objectMeta(object)
	if err != nil {
		return field.ErrorList{field.Invalid(path, object.Object["metadata"], err.Error())}
	}
	beta := utilfeature.DefaultFeatureGate.Enabled(features.DeclarativeValidationBeta)
	if old == nil {
		return metadata.ValidateObjectMetaDeclaratively(ctx, operation.Create, meta, nil, e.namespaced, metadata.NameIsDNSSubdomain, path, beta)
	}
	oldMeta, err := objectMeta(old)
	if err != nil {
		return field.ErrorList{field.Invalid(path, old.Object["metadata"], err.Error())}
	}
	return metadata.ValidateObjectMetaDeclaratively(ctx, operation.Update, meta, oldMeta, e.namespaced, nil, path, beta)
}

func objectMeta(object *unstructured.Unstructured) (*metav1.ObjectMeta, error) {
	meta := &metav1.ObjectMeta{}
	fields, _, err := unstructured.NestedMap(object.Object, "metadata")
	if err != nil {
		return nil, err
	}
	return meta, runtime.DefaultUnstructuredConverter.FromUnstructured(fields, meta)
}
