package main

import (
	"encoding/hex"
	"fmt"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/crdserverscheme"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/versioning"
)

// Strictness finds more, and changes nothing else: what it finds is refused or warned of.
var (
	definitions = func() runtime.Decoder {
		decoder := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Strict: true})
		internal := schema.GroupVersion{Group: apiextensions.GroupName, Version: runtime.APIVersionInternal}
		return versioning.NewDefaultingCodecForScheme(scheme, nil, decoder, nil, internal)
	}()
	objects = json.NewSerializerWithOptions(
		json.DefaultMetaFactory, nil, crdserverscheme.NewUnstructuredObjectTyper(), json.SerializerOptions{Strict: true})
)

// decodeDefinition reads the body of a request about a CRD.
func decodeDefinition(body []byte, strict bool, said *warnings) (*apiextensions.CustomResourceDefinition, error) {
	into := &apiextensions.CustomResourceDefinition{}
	object, gvk, err := definitions.Decode(body, &crdKind, into)
	errs, err := partStrict(object, err)
	if err == nil {
		err = settleStrict(errs, strict, said)
	}
	if err != nil {
		return nil, undecodable(gvk, crdKind.Kind, body, err)
	}
	if got := gvk.GroupVersion(); got != crdKind.GroupVersion() {
		return nil, mismatch(got, crdKind.GroupVersion())
	}
	return into, nil
}

// decode reads the body of a request about an object as the handler of a version does.
func (v *version) decode(body []byte, strict bool, said *warnings) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	decoded, gvk, err := objects.Decode(body, &v.gvk, object)
	errs, err := partStrict(decoded, err)
	if err != nil {
		return nil, undecodable(gvk, v.gvk.Kind, body, err)
	}
	unknown, err := v.coerce(object, coercion{tellUnknown: true})
	if err != nil {
		return nil, undecodable(gvk, v.gvk.Kind, body, err)
	}
	for _, path := range unknown {
		errs = append(errs, fmt.Errorf(`unknown field "%s"`, path))
	}
	v.setDefaults(object)
	if err := settleStrict(errs, strict, said); err != nil {
		// By now the API server takes the expected kind from the object itself.
		if gvk.Version == "" {
			return nil, apierrors.NewBadRequest(runtime.NewMissingVersionErr("object has no apiVersion field").Error())
		}
		return nil, undecodable(gvk, gvk.Kind, body, err)
	}
	if got := gvk.GroupVersion(); got != v.gvk.GroupVersion() {
		return nil, mismatch(got, v.gvk.GroupVersion())
	}
	return object, nil
}

// decodeStored reads the object that an update finds (crdConversionRESTOptionsGetter).
func (v *version) decodeStored(body []byte) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	decoded, gvk, err := objects.Decode(body, &v.gvk, object)
	if _, err = partStrict(decoded, err); err != nil {
		return nil, undecodable(gvk, v.gvk.Kind, body, err)
	}
	if got := *gvk; got != v.gvk {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("expected a %v, got a %v", v.gvk, got))
	}
	if v.of.isConvertedByWebhook() {
		// What a webhook makes of the storage version's defaults is taken to be this one's.
		err = v.read(object)
	} else {
		err = v.of.store(object, v.shape)
	}
	if err != nil {
		return nil, undecodable(gvk, v.gvk.Kind, body, err)
	}
	return object, nil
}

// partStrict parts the errors that strictness alone finds from the error that ends a request.
func partStrict(decoded runtime.Object, err error) ([]error, error) {
	if found, ok := runtime.AsStrictDecodingError(err); ok && decoded != nil {
		return found.Errors(), nil
	}
	return nil, err
}

// undecodable is a body that never reached validation (handlers/rest.go, transformDecodeError).
func undecodable(gvk *schema.GroupVersionKind, expected string, body []byte, err error) error {
	if gvk != nil && gvk.Kind != "" {
		return apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", gvk.Kind, gvk.Version, expected, err))
	}
	return apierrors.NewBadRequest(fmt.Sprintf("the object provided is unrecognized (must be of type %s): %v (%s)", expected, err, summary(body)))
}

// summary is the start of a body, as handlers/rest.go, summarizeData, shows it.
func summary(body []byte) string {
	const shown = 30
	text := func(part []byte) string { return string(part) }
	switch {
	case len(body) == 0:
		return "<empty>"
	case body[0] != '{':
		text = hex.EncodeToString
	}
	if len(body) > shown {
		return text(body[:shown]) + " ..."
	}
	return text(body)
}
