package main

import (
	"fmt"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metavalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// As storage/names makes them: what is random stands as x.
const (
	longestGenerated = 58
	suffix           = "xxxxx"
)

// arrive makes of a body what reaches a strategy on creation (handlers/create.go;
// registry/generic/registry, Store.Create).
func arrive(object metav1.Object, namespaced bool, said *warnings) {
	object.SetCreationTimestamp(metav1.Time{})
	object.SetUID("")
	object.SetDeletionTimestamp(nil)
	object.SetDeletionGracePeriodSeconds(nil)
	object.SetSelfLink("")
	arriveAnyhow(object, said)
	settle(object, namespaced)
	if base := object.GetGenerateName(); base != "" && object.GetName() == "" {
		object.SetName(base[:min(len(base), longestGenerated)] + suffix)
	}
	object.SetGeneration(1)
}

// arriveAgain makes of a body what reaches a strategy on an update (registry/rest/update.go). What a
// manifest leaves to the API server is taken from the old object.
func arriveAgain(object, old metav1.Object, namespaced bool, said *warnings) error {
	if old.GetResourceVersion() == "" {
		old.SetResourceVersion("1")
	}
	settle(old, namespaced)
	if object.GetNamespace() == "" || !namespaced {
		object.SetNamespace(old.GetNamespace())
	}
	if err := misnamed(object, old); err != nil {
		return err
	}
	arriveAnyhow(object, said)
	if object.GetResourceVersion() == "" {
		object.SetResourceVersion(old.GetResourceVersion())
	}
	object.SetGeneration(old.GetGeneration())
	return nil
}

// keep leaves alone what no update may change (registry/rest/update.go, BeforeUpdate).
func keep(object, old metav1.Object) {
	if object.GetUID() == "" {
		object.SetUID(old.GetUID())
	}
	if created := old.GetCreationTimestamp(); !created.IsZero() {
		object.SetCreationTimestamp(created)
	}
	if deleted := old.GetDeletionTimestamp(); !deleted.IsZero() {
		object.SetDeletionTimestamp(deleted)
	}
	if seconds := old.GetDeletionGracePeriodSeconds(); seconds != nil && object.GetDeletionGracePeriodSeconds() == nil {
		object.SetDeletionGracePeriodSeconds(seconds)
	}
}

func arriveAnyhow(object metav1.Object, said *warnings) {
	// The field manager replaces them, whatever they hold (managedfields, UpdateNoErrors).
	object.SetManagedFields(nil)
	shareOwners(object, said)
}

func settle(object metav1.Object, namespaced bool) {
	switch {
	case !namespaced:
		object.SetNamespace("")
	case object.GetNamespace() == "":
		object.SetNamespace("default")
	}
}

// shareOwners takes away repeated owners (handlers/rest.go, dedupOwnerReferencesAndAddWarning).
func shareOwners(object metav1.Object, said *warnings) {
	var kept []metav1.OwnerReference
	var repeated []string
	for _, one := range object.GetOwnerReferences() {
		if contains(kept, one) {
			repeated = append(repeated, string(one.UID))
		} else {
			kept = append(kept, one)
		}
	}
	if len(repeated) > 0 {
		said.add(fmt.Sprintf(".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, "+
			"and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: %v", strings.Join(repeated, ", ")))
		object.SetOwnerReferences(kept)
	}
}

func contains(references []metav1.OwnerReference, reference metav1.OwnerReference) bool {
	for _, one := range references {
		if apiequality.Semantic.DeepEqual(one, reference) {
			return true
		}
	}
	return false
}

// commonCreate comes after a strategy's own validation, if that found nothing (registry/rest/create.go).
func commonCreate(object metav1.Object, namespaced bool) field.ErrorList {
	return metavalidation.ValidateObjectMetaAccessor(object, namespaced, pathSegment, field.NewPath("metadata"))
}

// commonUpdate comes before a strategy's own validation (registry/rest/update.go).
func commonUpdate(object, old metav1.Object, namespaced bool) field.ErrorList {
	errs := commonCreate(object, namespaced)
	return append(errs, metavalidation.ValidateObjectMetaAccessorUpdate(object, old, field.NewPath("metadata"))...)
}

func pathSegment(name string, isPrefix bool) []string {
	if isPrefix {
		return content.IsPathSegmentPrefix(name)
	}
	return content.IsPathSegmentName(name)
}
