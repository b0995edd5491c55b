package main

import (
	"errors"
	"fmt"
	"net/http"
	"sort"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// verdict is what the API server would answer.
type verdict struct {
	Allowed  bool           `json:"allowed"`
	Code     int32          `json:"code,omitempty"`
	Message  string         `json:"message,omitempty"`
	Causes   []cause        `json:"causes,omitempty"`
	Warnings []string       `json:"warnings,omitempty"`
	Object   map[string]any `json:"object,omitempty"`
	Costs    []cost         `json:"costs,omitempty"`
	// Fault is a bug of the judge's own; the host raises it.
	Fault string `json:"fault,omitempty"`
}

// cause is an entry of metav1.Status.details.causes.
type cause struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Field   string `json:"field"`
}

// cost is what the API server estimates that a rule costs at worst.
type cost struct {
	Version string `json:"version"`
	Path    string `json:"path"`
	Rule    string `json:"rule"`
	Cost    uint64 `json:"cost"`
	Limit   uint64 `json:"limit"`
}

// answer is that to a request; an error is what it ended with.
func answer(err error, said *warnings) verdict {
	if err == nil {
		return verdict{Allowed: true, Warnings: said.texts}
	}
	given := refusal(err)
	given.Warnings = said.texts
	return given
}

// unreadable tells that the object before an update is at fault, which no API server would have.
func unreadable(err error) error {
	return apierrors.NewBadRequest(fmt.Sprintf("the object before the update cannot be read: %v", err))
}

func refusal(err error) verdict {
	var answered apierrors.APIStatus
	if !errors.As(err, &answered) {
		// As responsewriters.ErrorToAPIStatus answers to what is no answer yet.
		return verdict{Code: http.StatusInternalServerError, Message: err.Error()}
	}
	status := answered.Status()
	given := verdict{Code: status.Code, Message: status.Message}
	if status.Details == nil {
		return given
	}
	for _, one := range status.Details.Causes {
		given.Causes = append(given.Causes, cause{string(one.Type), one.Message, one.Field})
	}
	return given
}

// invalid is nil if there are no errors.
func invalid(kind schema.GroupKind, name string, errs field.ErrorList) error {
	if len(errs) == 0 {
		return nil
	}
	// The API server lists errors of one schema in the order of Go's maps, which is none.
	sort.SliceStable(errs, func(i, j int) bool { return errs[i].Field < errs[j].Field })
	return apierrors.NewInvalid(kind, name, errs)
}

// settleStrict gives the answer to a decoded request: its strict errors end it, or are warned of.
func settleStrict(errs []error, strict bool, said *warnings) error {
	if strict && len(errs) > 0 {
		return runtime.NewStrictDecodingError(errs)
	}
	for _, err := range errs {
		said.add(err.Error())
	}
	return nil
}

// mismatch is a body of another version than that of the address (handlers/create.go).
func mismatch(got, expected schema.GroupVersion) error {
	return apierrors.NewBadRequest(fmt.Sprintf(
		"the API version in the data (%s) does not match the expected API version (%v)", got, expected))
}

// misnamed is a body of another object than that of the address (handlers/rest.go, checkName;
// registry/rest/meta.go, EnsureObjectNamespaceMatchesRequestNamespace).
func misnamed(object, old metav1.Object) error {
	if object.GetNamespace() != old.GetNamespace() {
		return apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	switch object.GetName() {
	case old.GetName():
		return nil
	case "":
		return apierrors.NewBadRequest(fmt.Sprintf(
			"the name of the object (%s based on URL) was undeterminable: name must be provided", old.GetName()))
	default:
		return apierrors.NewBadRequest(fmt.Sprintf(
			"the name of the object (%s) does not match the name on the URL (%s)", object.GetName(), old.GetName()))
	}
}
