package main

import (
	"errors"
	"fmt"
	"sort"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

func invalid(kind schema.GroupKind, name string, errs field.ErrorList) verdict {
	if len(errs) == 0 {
		return verdict{Allowed: true}
	}
	// The API server lists errors of one schema in the order of Go's maps, which is none.
	sort.SliceStable(errs, func(i, j int) bool { return errs[i].Field < errs[j].Field })
	status := apierrors.NewInvalid(kind, name, errs).Status()
	answer := verdict{Code: status.Code, Message: status.Message}
	for _, one := range status.Details.Causes {
		answer.Causes = append(answer.Causes, cause{string(one.Type), one.Message, one.Field})
	}
	return answer
}

// undecodable is a body that never reached validation (endpoints/handlers/create.go).
func undecodable(gvk schema.GroupVersionKind, err error) verdict {
	message := fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", gvk.Kind, gvk.Version, gvk.Kind, err)
	return verdict{Code: 400, Message: message}
}

var errNotAnObject = errors.New("expected a JSON object")
