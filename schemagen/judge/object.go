package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	schemavalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/api/operation"
	metavalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/common"
	kjson "sigs.k8s.io/json"
)

// request is what the host asks about an object.
type request struct {
	Operation string          `json:"operation"` // create, update or status
	Object    json.RawMessage `json:"object"`
	Old       json.RawMessage `json:"old"`
	Strict    bool            `json:"strict"`
	Return    bool            `json:"return"`
}

func (d *definition) judge(body []byte) verdict {
	var asked request
	if err := json.Unmarshal(body, &asked); err != nil {
		panic(err)
	}
	var envelope metav1.TypeMeta
	if err := kjson.UnmarshalCaseSensitivePreserveInts(asked.Object, &envelope); err != nil {
		return undecodable(schema.GroupVersionKind{Kind: d.crd.Spec.Names.Kind}, err)
	}
	gvk := envelope.GroupVersionKind()
	if gvk.Group != d.crd.Spec.Group || gvk.Kind != d.crd.Spec.Names.Kind {
		return undecodable(gvk, fmt.Errorf("expected a %s of %s", d.crd.Spec.Names.Kind, d.crd.Spec.Group))
	}
	version, err := d.version(gvk.Version)
	if err != nil {
		return undecodable(gvk, err)
	}
	object, err := version.decode(asked.Object, asked.Strict)
	if err != nil {
		return undecodable(gvk, err)
	}
	var old *unstructured.Unstructured
	if asked.Operation != "create" {
		if old, err = version.decode(asked.Old, false); err != nil {
			return undecodable(gvk, err)
		}
	}
	answer := invalid(gvk.GroupKind(), object.GetName(), version.validate(asked.Operation, object, old))
	if asked.Return {
		answer.Object = object.Object
	}
	return answer
}

// decode does what schemaCoercingDecoder does to a request's body: defaults, unknown fields and
// nulls pruned, metadata coerced.
func (v *version) decode(body []byte, wantStrict bool) (*unstructured.Unstructured, error) {
	content := map[string]any{}
	duplicates, err := kjson.UnmarshalStrict(body, &content, kjson.DisallowDuplicateFields)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{Object: content}
	if object.Object == nil {
		return nil, errNotAnObject
	}
	defaulting.Default(object.Object, v.schema)
	meta, found, unknown, err := objectmeta.GetObjectMetaWithOptions(object.Object, objectmeta.ObjectMetaOptions{
		ReturnUnknownFieldPaths: wantStrict,
	})
	if err != nil {
		return nil, err
	}
	options := structural.UnknownFieldPathOptions{TrackUnknownFieldPaths: wantStrict}
	unknown = append(unknown, pruning.PruneWithOptions(object.Object, v.schema, true, options)...)
	defaulting.PruneNonNullableNullsWithoutDefaults(object.Object, v.schema)
	fault, more := objectmeta.CoerceWithOptions(nil, object.Object, v.schema, false, objectmeta.CoerceOptions{
		ReturnUnknownFieldPaths: wantStrict,
	})
	if fault != nil {
		return nil, fault
	}
	object.SetAPIVersion(v.gvk.GroupVersion().String())
	object.SetKind(v.gvk.Kind)
	if found {
		if err := objectmeta.SetObjectMeta(object.Object, meta); err != nil {
			return nil, err
		}
	}
	var strict []error
	if wantStrict {
		strict = append(strict, duplicates...)
		for _, path := range append(unknown, more...) {
			strict = append(strict, fmt.Errorf("unknown field \"%s\"", path))
		}
	}
	if len(strict) > 0 {
		return nil, runtime.NewStrictDecodingError(strict)
	}
	return object, nil
}

// validate prepares and validates as registry/customresource's strategies do.
func (v *version) validate(verb string, object, old *unstructured.Unstructured) field.ErrorList {
	switch verb {
	case "create":
		v.prepareForCreate(object)
		return v.validateCreate(object)
	case "update":
		v.prepareForUpdate(object, old)
		return v.validateUpdate(object, old)
	case "status":
		prepareForStatusUpdate(object, old)
		return v.validateStatusUpdate(object, old)
	}
	panic(fmt.Sprintf("expected create, update or status, got %q", verb))
}

func (v *version) prepareForCreate(object *unstructured.Unstructured) {
	if v.status != nil {
		delete(object.Object, "status")
	}
	if object.GetName() == "" && object.GetGenerateName() != "" {
		object.SetName(object.GetGenerateName() + "xxxxx")
	}
	if v.namespaced && object.GetNamespace() == "" {
		object.SetNamespace("default")
	}
	object.SetGeneration(1)
}

func (v *version) prepareForUpdate(object, old *unstructured.Unstructured) {
	keepSystemMetadata(object, old)
	if v.status == nil {
		return
	}
	if status, ok := old.Object["status"]; ok {
		object.Object["status"] = status
	} else {
		delete(object.Object, "status")
	}
}

func prepareForStatusUpdate(object, old *unstructured.Unstructured) {
	status, ok := object.Object["status"]
	keepSystemMetadata(object, old)
	*object = *old.DeepCopy()
	if ok {
		object.Object["status"] = status
	} else {
		delete(object.Object, "status")
	}
}

// keepSystemMetadata fills in what a manifest leaves to the API server.
func keepSystemMetadata(object, old *unstructured.Unstructured) {
	for _, one := range []*unstructured.Unstructured{old, object} {
		if one.GetResourceVersion() == "" {
			one.SetResourceVersion("1")
		}
		if one.GetNamespace() == "" {
			one.SetNamespace(old.GetNamespace())
		}
	}
	object.SetUID(old.GetUID())
	object.SetCreationTimestamp(old.GetCreationTimestamp())
	object.SetGeneration(old.GetGeneration())
}

func (v *version) validateCreate(object *unstructured.Unstructured) field.ErrorList {
	errs := v.validateMetadata(operation.Create, object, nil, metavalidation.NameIsDNSSubdomain)
	errs = append(errs, schemavalidation.ValidateCustomResource(nil, object.Object, v.validator)...)
	errs = append(errs, v.validateScale(object, true)...)
	errs = append(errs, objectmeta.Validate(context.Background(), nil, object.Object, v.schema, false)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, v.schema, object.Object)...)
	return append(errs, v.validateRules(errs, object.Object, nil)...)
}

func (v *version) validateUpdate(object, old *unstructured.Unstructured) field.ErrorList {
	correlated := common.NewCorrelatedObject(object.Object, old.Object, &model.Structural{Structural: v.schema})
	errs := v.validateMetadata(operation.Update, object, old, nil)
	errs = append(errs, schemavalidation.ValidateCustomResourceUpdate(
		nil, object.Object, old.Object, v.validator, schemavalidation.WithRatcheting(correlated))...)
	errs = append(errs, v.validateScale(object, true)...)
	errs = append(errs, objectmeta.Validate(context.Background(), nil, object.Object, v.schema, false)...)
	errs = append(errs, v.validateLists(object, old)...)
	return append(errs, v.validateRules(errs, object.Object, old.Object, cel.WithRatcheting(correlated))...)
}

func (v *version) validateStatusUpdate(object, old *unstructured.Unstructured) field.ErrorList {
	correlated := common.NewCorrelatedObject(object.Object, old.Object, &model.Structural{Structural: v.schema})
	errs := v.validateMetadata(operation.Update, object, old, nil)
	if status, ok := object.Object["status"]; ok {
		errs = append(errs, schemavalidation.ValidateCustomResourceUpdate(
			field.NewPath("status"), status, old.Object["status"], v.statusValidator,
			schemavalidation.WithRatcheting(correlated.Key("status")))...)
	}
	errs = append(errs, v.validateScale(object, false)...)
	errs = append(errs, v.validateLists(object, old)...)
	return append(errs, v.validateRules(errs, object.Object, old.Object, cel.WithRatcheting(correlated))...)
}

// validateLists lets duplicates stay where the old object had some already.
func (v *version) validateLists(object, old *unstructured.Unstructured) field.ErrorList {
	if len(listtype.ValidateListSetsAndMaps(nil, v.schema, old.Object)) > 0 {
		return nil
	}
	return listtype.ValidateListSetsAndMaps(nil, v.schema, object.Object)
}

// validateRules runs the CEL rules, unless an error before makes them meaningless.
func (v *version) validateRules(before field.ErrorList, object, old map[string]any, options ...cel.Option) field.ErrorList {
	if v.rules == nil {
		return nil
	}
	for _, err := range before {
		switch err.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
			return field.ErrorList{field.Invalid(nil, nil, "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation")}
		}
	}
	// A nil map in an interface is not nil, and the validator asks.
	var previous any
	if old != nil {
		previous = old
	}
	errs, _ := v.rules.Validate(context.Background(), nil, v.schema, object, previous, celconfig.RuntimeCELCostBudget, options...)
	return errs
}

func (v *version) validateMetadata(
	verb operation.Type, object, old *unstructured.Unstructured, name metavalidation.ValidateNameFunc,
) field.ErrorList {
	meta, err := metadataOf(object)
	if err != nil {
		return field.ErrorList{err}
	}
	var oldMeta *metav1.ObjectMeta
	if old != nil {
		if oldMeta, err = metadataOf(old); err != nil {
			return field.ErrorList{err}
		}
	}
	return metavalidation.ValidateObjectMetaDeclaratively(
		context.Background(), verb, meta, oldMeta, v.namespaced, name, field.NewPath("metadata"), true)
}

func metadataOf(object *unstructured.Unstructured) (*metav1.ObjectMeta, *field.Error) {
	meta := &metav1.ObjectMeta{}
	raw, ok := object.Object["metadata"].(map[string]any)
	if !ok {
		return meta, nil
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, meta); err != nil {
		return nil, field.Invalid(field.NewPath("metadata"), raw, err.Error())
	}
	return meta, nil
}

// validateScale checks the values that the scale subresource reads; of the spec only where asked.
func (v *version) validateScale(object *unstructured.Unstructured, withSpec bool) field.ErrorList {
	if v.scale == nil {
		return nil
	}
	var errs field.ErrorList
	if withSpec {
		errs = append(errs, replicas(object, v.scale.SpecReplicasPath)...)
	}
	errs = append(errs, replicas(object, v.scale.StatusReplicasPath)...)
	if path := v.scale.LabelSelectorPath; path != nil {
		selector, _, err := unstructured.NestedString(object.Object, members(*path)...)
		if err != nil {
			errs = append(errs, field.Invalid(field.NewPath(*path), selector, err.Error()))
		}
	}
	return errs
}

func replicas(object *unstructured.Unstructured, path string) field.ErrorList {
	number, _, err := unstructured.NestedInt64(object.Object, members(path)...)
	switch {
	case err != nil:
		return field.ErrorList{field.Invalid(field.NewPath(path), number, err.Error())}
	case number < 0:
		return field.ErrorList{field.Invalid(field.NewPath(path), number, "should be a non-negative integer")}
	case number > math.MaxInt32:
		return field.ErrorList{field.Invalid(field.NewPath(path), number, fmt.Sprintf("should be less than or equal to %v", math.MaxInt32))}
	}
	return nil
}

func members(path string) []string { return strings.Split(strings.TrimPrefix(path, "."), ".") }
