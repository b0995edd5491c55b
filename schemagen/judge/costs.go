package main

import (
	"sort"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	schemacel "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

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
	if len(node.XValidations) > 0 {
		tellRules(node, cel, path, tell)
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

// tellRules compiles a schema's rules once more: validation does so too, but keeps its estimates.
func tellRules(
	node *apiextensions.JSONSchemaProps,
	cel *crdvalidation.CELSchemaContext,
	path *field.Path,
	tell func(path string, rule string, estimate uint64),
) {
	info, err := cel.TypeInfo()
	if err != nil || info == nil {
		return
	}
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
