package main

import (
	"context"
	"fmt"
	"sort"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	schemacel "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	schemavalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	kjson "sigs.k8s.io/json"
)

var (
	scheme  = runtime.NewScheme()
	crdKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}
)

func init() { install.Install(scheme) }

// definition is a CRD that the API server accepts; its versions are compiled when first used.
type definition struct {
	crd      *apiextensions.CustomResourceDefinition
	versions map[string]*version
}

// version is what the API server keeps of a served version.
type version struct {
	gvk             schema.GroupVersionKind
	namespaced      bool
	schema          *structural.Structural
	validator       schemavalidation.SchemaValidator
	statusValidator schemavalidation.SchemaValidator
	rules           *schemacel.Validator
	status          *apiextensions.CustomResourceSubresourceStatus
	scale           *apiextensions.CustomResourceSubresourceScale
}

func loadDefinition(body []byte, wantCosts bool) (*definition, verdict) {
	var external v1.CustomResourceDefinition
	strict, err := kjson.UnmarshalStrict(body, &external)
	if err != nil {
		return nil, undecodable(crdKind, err)
	}
	if len(strict) > 0 {
		return nil, undecodable(crdKind, runtime.NewStrictDecodingError(strict))
	}
	scheme.Default(&external)
	internal := &apiextensions.CustomResourceDefinition{}
	if err := scheme.Convert(&external, internal, nil); err != nil {
		return nil, undecodable(crdKind, err)
	}
	// As customresourcedefinition/strategy.go prepares one for creation.
	internal.Status = apiextensions.CustomResourceDefinitionStatus{}
	for _, one := range internal.Spec.Versions {
		if one.Storage {
			internal.Status.StoredVersions = append(internal.Status.StoredVersions, one.Name)
			break
		}
	}
	errs := crdvalidation.ValidateCustomResourceDefinition(context.Background(), internal)
	answer := invalid(crdKind.GroupKind(), internal.Name, errs)
	if wantCosts {
		answer.Costs = costs(internal)
	}
	if !answer.Allowed {
		return nil, answer
	}
	return &definition{crd: internal, versions: map[string]*version{}}, answer
}

func (d *definition) version(name string) (*version, error) {
	if found, ok := d.versions[name]; ok {
		return found, nil
	}
	for _, one := range d.crd.Spec.Versions {
		if one.Name == name && one.Served {
			compiled, err := d.compile(name)
			if err != nil {
				return nil, err
			}
			d.versions[name] = compiled
			return compiled, nil
		}
	}
	return nil, fmt.Errorf("no served version of %s is named %q", d.crd.Name, name)
}

// compile does for a version what crdHandler.getOrCreateServingInfoFor does.
func (d *definition) compile(name string) (*version, error) {
	props, err := apiextensions.GetSchemaForVersion(d.crd, name)
	if err != nil {
		return nil, err
	}
	root := props.OpenAPIV3Schema
	compiled := &version{
		gvk:        schema.GroupVersionKind{Group: d.crd.Spec.Group, Version: name, Kind: d.crd.Spec.Names.Kind},
		namespaced: d.crd.Spec.Scope == apiextensions.NamespaceScoped,
	}
	if compiled.schema, err = structural.NewStructural(root); err != nil {
		return nil, err
	}
	if compiled.validator, _, err = schemavalidation.NewSchemaValidator(root); err != nil {
		return nil, err
	}
	compiled.rules = schemacel.NewValidator(compiled.schema, true, celconfig.PerCallLimit)
	subresources, err := apiextensions.GetSubresourcesForVersion(d.crd, name)
	if err != nil || subresources == nil {
		return compiled, err
	}
	compiled.status, compiled.scale = subresources.Status, subresources.Scale
	if status, ok := root.Properties["status"]; ok && subresources.Status != nil {
		compiled.statusValidator, _, err = schemavalidation.NewSchemaValidator(&status)
	}
	return compiled, err
}

// costs are the estimates for every rule of every version, in the order of their paths.
func costs(crd *apiextensions.CustomResourceDefinition) []cost {
	var found []cost
	for _, one := range crd.Spec.Versions {
		props, err := apiextensions.GetSchemaForVersion(crd, one.Name)
		if err != nil || props == nil || props.OpenAPIV3Schema == nil {
			continue
		}
		root := crdvalidation.RootCELContext(props.OpenAPIV3Schema)
		walk(props.OpenAPIV3Schema, root, nil, func(path string, rule string, estimate uint64) {
			found = append(found, cost{one.Name, path, rule, estimate, crdvalidation.StaticEstimatedCostLimit})
		})
	}
	return found
}

func walk(
	node *apiextensions.JSONSchemaProps,
	cel *crdvalidation.CELSchemaContext,
	path *field.Path,
	tell func(path string, rule string, estimate uint64),
) {
	if info, err := cel.TypeInfo(); err == nil && info != nil && len(node.XValidations) > 0 {
		base := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
		results, _ := schemacel.Compile(info.Schema, info.DeclType, celconfig.PerCallLimit, base, schemacel.NewExpressionsEnvLoader())
		for i, one := range results {
			cardinality := one.MaxCardinality
			if cel.MaxCardinality != nil {
				cardinality = *cel.MaxCardinality
			}
			tell(path.String(), node.XValidations[i].Rule, product(one.MaxCost, cardinality))
		}
	}
	names := make([]string, 0, len(node.Properties))
	for name := range node.Properties {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		child := node.Properties[name]
		walk(&child, cel.ChildPropertyContext(&child, name), childOf(path, name), tell)
	}
	if node.Items != nil && node.Items.Schema != nil {
		walk(node.Items.Schema, cel.ChildItemsContext(node.Items.Schema), childOf(path, "[]"), tell)
	}
	if node.AdditionalProperties != nil && node.AdditionalProperties.Schema != nil {
		values := node.AdditionalProperties.Schema
		walk(values, cel.ChildAdditionalPropertiesContext(values), childOf(path, "{}"), tell)
	}
}

func childOf(path *field.Path, name string) *field.Path {
	if path == nil {
		return field.NewPath(name)
	}
	return path.Child(name)
}

// product saturates, as the API server's own estimate does.
func product(one, other uint64) uint64 {
	if one == 0 || other == 0 {
		return 0
	}
	if result := one * other; result/other == one {
		return result
	}
	return ^uint64(0)
}
