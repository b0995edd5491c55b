package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	structuraldefaulting "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"kubewright/peer/v1alpha1"
	"kubewright/peer/v1beta1"
)

// older validates runs of v1alpha1 by the schema and the rules of v1beta1, with the API server's own
// code: what a Go project would do to have the newest version's rules hold in an older one.
type older struct {
	structural *structuralschema.Structural
	schema     validation.SchemaValidator
	rules      *cel.Validator
}

func newOlder(path string) (*older, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	external, internal := &apiextensionsv1.JSONSchemaProps{}, &apiextensions.JSONSchemaProps{}
	if err := json.Unmarshal(data, external); err != nil {
		return nil, err
	}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(external, internal, nil); err != nil {
		return nil, err
	}
	structural, err := structuralschema.NewStructural(internal)
	if err != nil {
		return nil, err
	}
	schema, _, err := validation.NewSchemaValidator(internal)
	if err != nil {
		return nil, err
	}
	return &older{structural, schema, cel.NewValidator(structural, true, celconfig.PerCallLimit)}, nil
}

func (o *older) hub(raw []byte) (*v1beta1.AgentRun, map[string]interface{}, error) {
	written, hub := &v1alpha1.AgentRun{}, &v1beta1.AgentRun{}
	if err := json.Unmarshal(raw, written); err != nil {
		return nil, nil, err
	}
	if err := written.ConvertTo(hub); err != nil {
		return nil, nil, err
	}
	hub.APIVersion, hub.Kind = group+"/v1beta1", "AgentRun"
	value, err := runtime.DefaultUnstructuredConverter.ToUnstructured(hub)
	if err != nil {
		return nil, nil, err
	}
	structuraldefaulting.Default(value, o.structural)
	return hub, value, nil
}

// Handle answers a review.
func (o *older) Handle(ctx context.Context, request admission.Request) admission.Response {
	run, value, err := o.hub(request.Object.Raw)
	if err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	var problems field.ErrorList
	var old interface{}
	if len(request.OldObject.Raw) > 0 && string(request.OldObject.Raw) != "null" {
		_, before, err := o.hub(request.OldObject.Raw)
		if err != nil {
			return admission.Errored(http.StatusBadRequest, err)
		}
		old = before
		problems = validation.ValidateCustomResourceUpdate(nil, value, before, o.schema)
	} else {
		problems = validation.ValidateCustomResource(nil, value, o.schema)
	}
	problems = append(problems, listtype.ValidateListSetsAndMaps(nil, o.structural, value)...)
	if len(problems) == 0 {
		found, _ := o.rules.Validate(ctx, nil, o.structural, value, old, celconfig.RuntimeCELCostBudget)
		problems = append(problems, found...)
	}
	if err := check(run); err != nil {
		return admission.Denied(err.Error())
	}
	if len(problems) > 0 {
		return admission.Allowed("").WithWarnings(problems.ToAggregate().Error())
	}
	return admission.Allowed("")
}
