package main

import (
	"fmt"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	schemavalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	kubeversion "k8s.io/apimachinery/pkg/version"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// warnings are the Warning headers of an answer, each once. The API server cuts them off at 4096
// characters in all (endpoints/filters/warning.go); here all are told.
type warnings struct{ texts []string }

func (w *warnings) add(texts ...string) {
	for _, text := range texts {
		_, err := net.NewWarningHeader(299, "", text)
		if err != nil || text == "" || sets.New(w.texts...).Has(text) {
			continue
		}
		w.texts = append(w.texts, text)
	}
}

// definitionWarnings are those of customresourcedefinition/strategy.go; on an update those that the
// old CRD had already are left out.
func definitionWarnings(crd, old *apiextensions.CustomResourceDefinition) []string {
	found := sets.New(formatWarnings(crd)...)
	found.Insert(setWarnings(crd)...)
	if old != nil {
		found.Delete(formatWarnings(old)...)
		found.Delete(setWarnings(old)...)
	}
	return sets.List(found)
}

// formatWarnings come in the order of Go's maps, which is none.
func formatWarnings(crd *apiextensions.CustomResourceDefinition) []string {
	var found []string
	schemas(crd, func(node *apiextensions.JSONSchemaProps) {
		if node.Format == "" {
			return
		}
		probe := &spec.Schema{SchemaProps: spec.SchemaProps{Format: node.Format, Type: []string{node.Type}}}
		for _, format := range schemavalidation.GetUnrecognizedFormats(probe, environment.DefaultCompatibilityVersion()) {
			found = append(found, fmt.Sprintf("unrecognized format %q", format))
		}
	})
	return found
}

func setWarnings(crd *apiextensions.CustomResourceDefinition) []string {
	var found []string
	schemas(crd, func(node *apiextensions.JSONSchemaProps) {
		if node.XListType == nil || *node.XListType != "set" || node.Items == nil || node.Items.Schema == nil {
			return
		}
		if kind := node.Items.Schema.Type; kind == "object" || kind == "array" {
			found = append(found, fmt.Sprintf(
				"x-kubernetes-list-type: set for items of type %q is not supported by server-side apply or CEL validation rules", kind))
		}
	})
	return found
}

// schemas visits every schema of a CRD; where all versions have one, conversion has hoisted it.
func schemas(crd *apiextensions.CustomResourceDefinition, visit func(*apiextensions.JSONSchemaProps)) {
	look := func(props *apiextensions.CustomResourceValidation) {
		if props != nil && props.OpenAPIV3Schema != nil {
			crdvalidation.SchemaHas(props.OpenAPIV3Schema, func(node *apiextensions.JSONSchemaProps) bool {
				visit(node)
				return false
			})
		}
	}
	look(crd.Spec.Validation)
	for _, one := range crd.Spec.Versions {
		look(one.Schema)
	}
}

// deprecationWarnings are those of a version, which every request in it gets
// (apiserver/customresource_handler.go).
func deprecationWarnings(crd *apiextensions.CustomResourceDefinition, name string) []string {
	for _, one := range crd.Spec.Versions {
		switch {
		case one.Name != name || !one.Deprecated:
			continue
		case one.DeprecationWarning != nil:
			return []string{*one.DeprecationWarning}
		}
		text := fmt.Sprintf("%s/%s %s is deprecated", crd.Spec.Group, name, crd.Spec.Names.Kind)
		if newer := newerVersions(crd, name); len(newer) > 0 {
			text += fmt.Sprintf("; use %s/%s %s", crd.Spec.Group, newer[0], crd.Spec.Names.Kind)
		}
		return []string{text}
	}
	return nil
}

// newerVersions begins with the newest.
func newerVersions(crd *apiextensions.CustomResourceDefinition, than string) []string {
	var found []string
	for _, one := range crd.Spec.Versions {
		if one.Served && !one.Deprecated && kubeversion.CompareKubeAwareVersionStrings(than, one.Name) < 0 {
			found = append(found, one.Name)
		}
	}
	sort.Slice(found, func(i, j int) bool { return kubeversion.CompareKubeAwareVersionStrings(found[i], found[j]) > 0 })
	return found
}

var standardFinalizers = sets.New(metav1.FinalizerOrphanDependents, metav1.FinalizerDeleteDependents, string(corev1.FinalizerKubernetes))

// finalizerWarnings are those of customresource/validator.go; on an update of new finalizers only.
func finalizerWarnings(object, old metav1.Object) []string {
	added := sets.New(object.GetFinalizers()...)
	if old != nil {
		added.Delete(old.GetFinalizers()...)
	}
	var found []string
	for _, name := range sets.List(added) {
		for _, fault := range validation.IsQualifiedName(name) {
			found = append(found, fmt.Sprintf("metadata.finalizers: %q: %s", name, fault))
		}
		if strings.Contains(name, "/") || standardFinalizers.Has(name) {
			continue
		}
		path := ""
		if strings.Contains(name, ".") {
			path = " including a path (/)"
		}
		found = append(found, fmt.Sprintf(
			"metadata.finalizers: %q: prefer a domain-qualified finalizer name%s to avoid accidental conflicts with other finalizer writers", name, path))
	}
	return found
}
