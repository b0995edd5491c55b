package main

import (
	"context"
	"slices"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	scheme  = runtime.NewScheme()
	crdKind = schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}
)

func init() { install.Install(scheme) }

// createDefinition judges a CRD as on creation; it is nil if it cannot be read.
func createDefinition(body []byte, strict bool) (*apiextensions.CustomResourceDefinition, verdict) {
	said := &warnings{}
	crd, err := decodeDefinition(body, strict, said)
	if err == nil {
		err = checkNew(crd, said)
	}
	return crd, answer(err, said)
}

func checkNew(crd *apiextensions.CustomResourceDefinition, said *warnings) error {
	arrive(crd, false, said)
	// As customresourcedefinition/strategy.go prepares one.
	crd.Status = apiextensions.CustomResourceDefinitionStatus{StoredVersions: storageVersion(crd)}
	errs := crdvalidation.ValidateCustomResourceDefinition(context.Background(), crd)
	if len(errs) == 0 {
		errs = commonCreate(crd, false)
	}
	if len(errs) == 0 {
		said.add(definitionWarnings(crd, nil)...)
	}
	return invalid(crdKind.GroupKind(), crd.Name, errs)
}

// updateDefinition judges a CRD as on the update of another.
func updateDefinition(body, before []byte, strict bool) verdict {
	said := &warnings{}
	old, err := decodeDefinition(before, false, &warnings{})
	if err != nil {
		return answer(unreadable(err), said)
	}
	crd, err := decodeDefinition(body, strict, said)
	if err == nil {
		establish(old)
		err = checkChanged(crd, old, said)
	}
	return answer(err, said)
}

func checkChanged(crd, old *apiextensions.CustomResourceDefinition, said *warnings) error {
	if err := arriveAgain(crd, old, false, said); err != nil {
		return err
	}
	// As customresourcedefinition/strategy.go prepares one.
	crd.Status = *old.Status.DeepCopy()
	for _, name := range storageVersion(crd) {
		if !slices.Contains(crd.Status.StoredVersions, name) {
			crd.Status.StoredVersions = append(crd.Status.StoredVersions, name)
		}
	}
	keep(crd, old)
	errs := commonUpdate(crd, old, false)
	errs = append(errs, crdvalidation.ValidateCustomResourceDefinitionUpdate(context.Background(), crd, old)...)
	if len(errs) == 0 {
		said.add(definitionWarnings(crd, old)...)
	}
	return invalid(crdKind.GroupKind(), crd.Name, errs)
}

// establish gives a CRD from a file the status that it has in a cluster after a moment.
func establish(crd *apiextensions.CustomResourceDefinition) {
	if len(crd.Status.StoredVersions) == 0 {
		crd.Status.StoredVersions = storageVersion(crd)
	}
	if len(crd.Status.Conditions) == 0 {
		apiextensions.SetCRDCondition(crd, apiextensions.CustomResourceDefinitionCondition{
			Type: apiextensions.Established, Status: apiextensions.ConditionTrue,
		})
	}
}

// storageVersion names it, if there is one.
func storageVersion(crd *apiextensions.CustomResourceDefinition) []string {
	for _, one := range crd.Spec.Versions {
		if one.Storage {
			return []string{one.Name}
		}
	}
	return nil
}
