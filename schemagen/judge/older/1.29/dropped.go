package main

import (
	"fmt"
	"slices"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
)

// dropDisabled does what dropDisabledFields of customresourcedefinition/strategy.go does while
// CRDValidationRatcheting is off, and tells which fields it dropped.
func dropDisabled(crd, old *apiextensions.CustomResourceDefinition) []string {
	var dropped []string
	drop := func(root *apiextensions.JSONSchemaProps, version string) {
		crdvalidation.SchemaHas(root, func(node *apiextensions.JSONSchemaProps) bool {
			for i := range node.XValidations {
				if node.XValidations[i].OptionalOldSelf != nil {
					node.XValidations[i].OptionalOldSelf = nil
					dropped = append(dropped, fmt.Sprintf("optionalOldSelf of the rule %q%s", node.XValidations[i].Rule, version))
				}
			}
			return false
		})
	}
	if old != nil && crdvalidation.HasSchemaWith(&old.Spec, hasOptionalOldSelf) {
		return nil
	}
	if crd.Spec.Validation != nil {
		drop(crd.Spec.Validation.OpenAPIV3Schema, "")
	}
	for _, one := range crd.Spec.Versions {
		if one.Schema != nil {
			drop(one.Schema.OpenAPIV3Schema, " in "+one.Name)
		}
	}
	slices.Sort(dropped)
	return dropped
}

func hasOptionalOldSelf(root *apiextensions.JSONSchemaProps) bool {
	return crdvalidation.SchemaHas(root, func(node *apiextensions.JSONSchemaProps) bool {
		for _, rule := range node.XValidations {
			if rule.OptionalOldSelf != nil {
				return true
			}
		}
		return false
	})
}
