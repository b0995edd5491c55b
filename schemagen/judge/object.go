package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	schemavalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apioperation "k8s.io/apimachinery/pkg/api/operation"
	metavalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/common"
	kjson "sigs.k8s.io/json"
)

// operation is what is done to an object; it counts as the host does.
type operation int32

const (
	create operation = iota
	update
	updateStatus
)

func (d *definition) judge(verb operation, body, before []byte, strict, wantObject bool) verdict {
	said := &warnings{}
	v, err := d.version(versionIn(body))
	if err != nil {
		return answer(err, said)
	}
	said.add(deprecationWarnings(d.crd, v.gvk.Version)...)
	object, err := v.check(verb, body, before, strict, said)
	// The way through the storage version can fail; reading what is stored cannot, and takes time.
	if err == nil && (wantObject || !d.isStored(v.gvk.Version)) {
		err = d.store(object, v.shape)
	}
	given := answer(err, said)
	if err == nil && wantObject {
		given.Object = object.Object
	}
	return given
}

func (v *version) check(
	verb operation, body, before []byte, strict bool, said *warnings,
) (*unstructured.Unstructured, error) {
	object, err := v.decode(body, strict, said)
	if err != nil {
		return nil, err
	}
	if verb == create {
		return object, v.checkNew(object, said)
	}
	old, err := v.decodeStored(before)
	if err != nil {
		return nil, unreadable(err)
	}
	if err := arriveAgain(object, old, v.namespaced, said); err != nil {
		return nil, err
	}
	if verb == updateStatus {
		return object, v.checkStatus(object, old)
	}
	return object, v.checkChanged(object, old, said)
}

// versionIn is the version that a body says it has; a client finds the address to send it to by it.
func versionIn(body []byte) string {
	var envelope metav1.TypeMeta
	if err := kjson.UnmarshalCaseSensitivePreserveInts(body, &envelope); err != nil {
		return ""
	}
	return envelope.GroupVersionKind().Version
}

func (v *version) checkNew(object *unstructured.Unstructured, said *warnings) error {
	arrive(object, v.namespaced, said)
	if v.status != nil {
		delete(object.Object, "status")
	}
	errs := v.validateCreate(object)
	if len(errs) == 0 {
		errs = commonCreate(object, v.namespaced)
	}
	if len(errs) == 0 {
		said.add(finalizerWarnings(object, nil)...)
	}
	return v.invalid(object, errs)
}

func (v *version) checkChanged(object, old *unstructured.Unstructured, said *warnings) error {
	if v.status != nil {
		setStatus(object, old)
	}
	if !apiequality.Semantic.DeepEqual(withoutMetadata(object), withoutMetadata(old)) {
		object.SetGeneration(old.GetGeneration() + 1)
	}
	keep(object, old)
	errs := append(commonUpdate(object, old, v.namespaced), v.validateUpdate(object, old)...)
	if len(errs) == 0 {
		said.add(finalizerWarnings(object, old)...)
	}
	return v.invalid(object, errs)
}

func (v *version) checkStatus(object, old *unstructured.Unstructured) error {
	// Looked at before the rest of the object is replaced (registry/rest/update.go, BeforeUpdate).
	kind := object.GroupVersionKind().GroupKind()
	whole := old.DeepCopy()
	setStatus(whole, object)
	*object = *whole
	errs := append(commonUpdate(object, old, v.namespaced), v.validateStatusUpdate(object, old)...)
	return invalid(kind, object.GetName(), errs)
}

// setStatus gives an object the status of another, or none if that has none.
func setStatus(object, other *unstructured.Unstructured) {
	if status, ok := other.Object["status"]; ok {
		object.Object["status"] = status
	} else {
		delete(object.Object, "status")
	}
}

func withoutMetadata(object *unstructured.Unstructured) map[string]any {
	rest := maps.Clone(object.Object)
	delete(rest, "metadata")
	return rest
}

func (v *version) invalid(object *unstructured.Unstructured, errs field.ErrorList) error {
	return invalid(object.GroupVersionKind().GroupKind(), object.GetName(), errs)
}

func (v *version) validateCreate(object *unstructured.Unstructured) field.ErrorList {
	errs := v.validateType(object)
	if len(errs) == 0 {
		errs = v.validateMetadata(apioperation.Create, object, nil, metavalidation.NameIsDNSSubdomain)
		errs = append(errs, schemavalidation.ValidateCustomResource(nil, object.Object, v.validator)...)
		errs = append(errs, v.validateScale(object, true)...)
	}
	errs = append(errs, objectmeta.Validate(context.Background(), nil, object.Object, v.schema, false)...)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, v.schema, object.Object)...)
	return append(errs, v.validateRules(errs, object.Object, nil)...)
}

func (v *version) validateUpdate(object, old *unstructured.Unstructured) field.ErrorList {
	correlated := common.NewCorrelatedObject(object.Object, old.Object, &model.Structural{Structural: v.schema})
	errs := v.validateType(object)
	if len(errs) == 0 {
		errs = v.validateMetadata(apioperation.Update, object, old, nil)
		errs = append(errs, schemavalidation.ValidateCustomResourceUpdate(
			nil, object.Object, old.Object, v.validator, schemavalidation.WithRatcheting(correlated))...)
		errs = append(errs, v.validateScale(object, true)...)
	}
	errs = append(errs, objectmeta.Validate(context.Background(), nil, object.Object, v.schema, false)...)
	errs = append(errs, v.validateLists(object, old)...)
	return append(errs, v.validateRules(errs, object.Object, old.Object, cel.WithRatcheting(correlated))...)
}

func (v *version) validateStatusUpdate(object, old *unstructured.Unstructured) field.ErrorList {
	correlated := common.NewCorrelatedObject(object.Object, old.Object, &model.Structural{Structural: v.schema})
	errs := v.validateMetadata(apioperation.Update, object, old, nil)
	if status, ok := object.Object["status"]; ok {
		errs = append(errs, schemavalidation.ValidateCustomResourceUpdate(
			field.NewPath("status"), status, old.Object["status"], v.statusValidator,
			schemavalidation.WithRatcheting(correlated.Key("status")))...)
	}
	errs = append(errs, v.validateScale(object, false)...)
	errs = append(errs, v.validateLists(object, old)...)
	return append(errs, v.validateRules(errs, object.Object, old.Object, cel.WithRatcheting(correlated))...)
}

// validateType finds the kind wrong that decoding lets pass; the version has been looked at.
func (v *version) validateType(object *unstructured.Unstructured) field.ErrorList {
	if kind := object.GetKind(); kind != v.gvk.Kind {
		return field.ErrorList{field.Invalid(field.NewPath("kind"), kind, fmt.Sprintf("must be %v", v.gvk.Kind))}
	}
	return nil
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
	verb apioperation.Type, object, old *unstructured.Unstructured, name metavalidation.ValidateNameFunc,
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
