package main

import (
	"slices"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// shape is what a version of a CRD makes of objects before it judges them.
type shape struct {
	gvk    schema.GroupVersionKind
	schema *structural.Structural
}

// shape is that of a version that the CRD has.
func (d *definition) shape(name string) (*shape, error) {
	if found, ok := d.shapes[name]; ok {
		return found, nil
	}
	props, err := apiextensions.GetSchemaForVersion(d.crd, name)
	if err != nil {
		return nil, err
	}
	made, err := structural.NewStructural(props.OpenAPIV3Schema)
	if err != nil {
		return nil, err
	}
	if err := defaulting.PruneDefaults(made); err != nil {
		return nil, err
	}
	gvk := schema.GroupVersionKind{Group: d.crd.Spec.Group, Version: name, Kind: d.crd.Spec.Names.Kind}
	d.shapes[name] = &shape{gvk, made}
	return d.shapes[name], nil
}

// store makes of an object what is read again: with the defaults of a status that was left out, and
// without the fields that the storage version does not have, where all it takes to convert one is to
// rename its version. What a webhook would make of it is not known here.
func (d *definition) store(object *unstructured.Unstructured, asked *shape) error {
	if d.isStored(asked.gvk.Version) {
		return asked.read(object)
	}
	if d.isConvertedByWebhook() {
		return nil
	}
	stored, err := d.shape(storageVersion(d.crd)[0])
	if err == nil {
		err = stored.convert(object)
	}
	if err == nil {
		err = stored.read(object)
	}
	if err == nil {
		err = asked.convert(object)
	}
	return err
}

func (d *definition) isConvertedByWebhook() bool {
	return d.crd.Spec.Conversion != nil && d.crd.Spec.Conversion.Strategy != apiextensions.NoneConverter
}

func (d *definition) isStored(name string) bool { return slices.Contains(storageVersion(d.crd), name) }

// convert does what schemaCoercingConverter makes of nopConverter.
func (s *shape) convert(object *unstructured.Unstructured) error {
	object.SetGroupVersionKind(s.gvk)
	_, err := s.coerce(object, coercion{})
	return err
}

// read does to what is stored what crdConversionRESTOptionsGetter does.
func (s *shape) read(object *unstructured.Unstructured) error {
	_, err := s.coerce(object, coercion{isStored: true})
	s.setDefaults(object)
	return err
}

// coercion says what becomes of what does not fit.
type coercion struct {
	tellUnknown bool
	// isStored: from etcd, where objects may be older than their metadata's validation.
	isStored bool
}

// coerce does what unstructuredSchemaCoercer.apply does: unknown fields and nulls pruned, metadata
// brought into shape. It answers the paths of the unknown fields.
func (s *shape) coerce(object *unstructured.Unstructured, how coercion) ([]string, error) {
	kind, hasKind, err := unstructured.NestedString(object.Object, "kind")
	if err != nil {
		return nil, err
	}
	apiVersion, hasVersion, err := unstructured.NestedString(object.Object, "apiVersion")
	if err != nil {
		return nil, err
	}
	meta, hasMeta, unknown, err := objectmeta.GetObjectMetaWithOptions(object.Object, objectmeta.ObjectMetaOptions{
		DropMalformedFields:     how.isStored,
		ReturnUnknownFieldPaths: how.tellUnknown,
	})
	if err != nil {
		return nil, err
	}
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil, err
	}
	if s.is(gv.Group, kind) {
		schema := s.schemaOf(gv.Version)
		options := structural.UnknownFieldPathOptions{TrackUnknownFieldPaths: how.tellUnknown}
		unknown = append(unknown, pruning.PruneWithOptions(object.Object, schema, true, options)...)
		defaulting.PruneNonNullableNullsWithoutDefaults(object.Object, schema)
		fault, more := objectmeta.CoerceWithOptions(nil, object.Object, schema, false, objectmeta.CoerceOptions{
			DropInvalidFields:       how.isStored,
			ReturnUnknownFieldPaths: how.tellUnknown,
		})
		if fault != nil {
			return nil, fault
		}
		unknown = append(unknown, more...)
		if how.isStored && meta.Generation == 0 {
			meta.Generation = 1
		}
	}
	if hasKind {
		object.SetKind(kind)
	}
	if hasVersion {
		object.SetAPIVersion(apiVersion)
	}
	if hasMeta {
		err = objectmeta.SetObjectMeta(object.Object, meta)
	}
	return unknown, err
}

func (s *shape) setDefaults(object *unstructured.Unstructured) {
	if gvk := object.GroupVersionKind(); s.is(gvk.Group, gvk.Kind) {
		defaulting.Default(object.Object, s.schemaOf(gvk.Version))
	}
}

func (s *shape) is(group, kind string) bool { return group == s.gvk.Group && kind == s.gvk.Kind }

// schemaOf is nil for other versions: a body in one is refused, whatever it holds.
func (s *shape) schemaOf(name string) *structural.Structural {
	if name != s.gvk.Version {
		return nil
	}
	return s.schema
}
