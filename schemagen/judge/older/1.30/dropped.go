package main

import "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"

// dropDisabled does what dropDisabledFields of customresourcedefinition/strategy.go does while
// CustomResourceFieldSelectors is off, and tells which fields it dropped.
func dropDisabled(crd, old *apiextensions.CustomResourceDefinition) []string {
	if old != nil && hasSelectableFields(&old.Spec) {
		return nil
	}
	var dropped []string
	if crd.Spec.SelectableFields != nil {
		dropped = append(dropped, "selectableFields")
		crd.Spec.SelectableFields = nil
	}
	for i := range crd.Spec.Versions {
		if crd.Spec.Versions[i].SelectableFields != nil {
			dropped = append(dropped, "selectableFields of "+crd.Spec.Versions[i].Name)
			crd.Spec.Versions[i].SelectableFields = nil
		}
	}
	return dropped
}

func hasSelectableFields(spec *apiextensions.CustomResourceDefinitionSpec) bool {
	if spec.SelectableFields != nil {
		return true
	}
	for _, one := range spec.Versions {
		if one.SelectableFields != nil {
			return true
		}
	}
	return false
}
