package main

import (
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/versioning"
	"k8s.io/apimachinery/pkg/util/validation/field"
	registration "k8s.io/kubernetes/pkg/apis/admissionregistration"
	registrationv1 "k8s.io/kubernetes/pkg/apis/admissionregistration/v1"
	registrationvalidation "k8s.io/kubernetes/pkg/apis/admissionregistration/validation"
	"k8s.io/kubernetes/pkg/kubeapiserver/admission/exclusion"
)

// registrations decodes configurations of admission webhooks; made once it is needed, for CRDs and
// their objects do without.
var registrations = sync.OnceValue(func() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{registration.AddToScheme, registrationv1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err)
		}
	}
	decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Strict: true})
	return versioning.NewDefaultingCodecForScheme(scheme, nil, decoder, nil, registration.SchemeGroupVersion)
})

// check_registration judges a ValidatingWebhookConfiguration or, if mutating, a
// MutatingWebhookConfiguration as on creation.
//
//go:wasmexport check_registration
func checkRegistration(pointer uint32, mutating, strict int32) {
	defer guard()
	name, into := "ValidatingWebhookConfiguration", runtime.Object(&registration.ValidatingWebhookConfiguration{})
	if mutating != 0 {
		name, into = "MutatingWebhookConfiguration", &registration.MutatingWebhookConfiguration{}
	}
	said := &warnings{}
	kind := registrationv1.SchemeGroupVersion.WithKind(name)
	err := decodeRegistration(take(pointer), kind, into, strict != 0, said)
	if err == nil {
		err = createRegistration(kind, into, said)
	}
	reply(answer(err, said))
}

func decodeRegistration(body []byte, kind schema.GroupVersionKind, into runtime.Object, strict bool, said *warnings) error {
	object, gvk, err := registrations().Decode(body, &kind, into)
	errs, err := partStrict(object, err)
	if err == nil {
		err = settleStrict(errs, strict, said)
	}
	switch {
	case err != nil:
		return undecodable(gvk, kind.Kind, body, err)
	case gvk.GroupVersion() != kind.GroupVersion():
		return mismatch(gvk.GroupVersion(), kind.GroupVersion())
	case object != into:
		return undecodable(gvk, kind.Kind, body, fmt.Errorf("got a %s", gvk.Kind))
	}
	return nil
}

// createRegistration is strategy.go of validatingwebhookconfiguration and mutatingwebhookconfiguration.
func createRegistration(kind schema.GroupVersionKind, object runtime.Object, said *warnings) error {
	meta := object.(metav1.Object)
	arrive(meta, false, said)
	errs, notes := validateRegistration(object)
	errs = append(errs, registrationvalidation.ValidateStaticSuffix(meta.GetName(), field.NewPath("metadata", "name"))...)
	if len(errs) == 0 {
		errs = commonCreate(meta, false)
	}
	if len(errs) == 0 {
		said.add(notes...)
	}
	return invalid(kind.GroupKind(), meta.GetName(), errs)
}

func validateRegistration(object runtime.Object) (field.ErrorList, []string) {
	if found, ok := object.(*registration.MutatingWebhookConfiguration); ok {
		return registrationvalidation.ValidateMutatingWebhookConfiguration(found),
			registrationvalidation.WarningsForMutatingWebhookRules(found.Webhooks, exclusion.Excluded())
	}
	found := object.(*registration.ValidatingWebhookConfiguration)
	return registrationvalidation.ValidateValidatingWebhookConfiguration(found),
		registrationvalidation.WarningsForValidatingWebhookRules(found.Webhooks, exclusion.Excluded())
}
