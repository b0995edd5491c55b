package main

import (
	"encoding/json"
	"sync"

	"github.com/google/cel-go/cel"
	kubeversion "k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/cel/environment"
)

// What says the same of every request says so at once; the API server's limit is 100 times as high.
const conditionCostLimit = 10_000

// The variables of a match condition (admission/plugin/cel, compile.go). Of any type, since nothing
// but what is certain without their values is asked for.
var conditionVariables = []string{"object", "oldObject", "request", "authorizer", "namespaceObject"}

var conditionEnvironment = sync.OnceValues(func() (*cel.Env, error) {
	var options []cel.EnvOption
	for _, name := range conditionVariables {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	extended, err := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).Extend(
		environment.VersionedOptions{IntroducedVersion: kubeversion.MajorMinor(1, 0), EnvOptions: options})
	if err != nil {
		return nil, err
	}
	return extended.StoredExpressionsEnv(), nil
})

// decision is what a match condition says; nothing if that depends on what is not known.
type decision struct {
	Value *bool  `json:"value"`
	Fault string `json:"fault,omitempty"`
}

// decide_condition evaluates a match condition with no more than a few fields of the request. To read
// anything else is an error, which CEL passes over where the result does not depend on it.
//
//go:wasmexport decide_condition
func decideCondition(expression, request uint32) {
	defer guard()
	text := string(take(expression))
	var fields map[string]any
	if err := json.Unmarshal(take(request), &fields); err != nil {
		panic(err)
	}
	known := map[string]any{}
	if fields != nil {
		known["request"] = fields
	}
	send(decision{Value: decided(text, known)})
}

func decided(expression string, known map[string]any) *bool {
	env, err := conditionEnvironment()
	if err != nil {
		panic(err)
	}
	tree, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil
	}
	program, err := env.Program(tree, cel.CostLimit(conditionCostLimit))
	if err != nil {
		return nil
	}
	found, _, err := program.Eval(known)
	if err != nil {
		return nil
	}
	if value, ok := found.Value().(bool); ok {
		return &value
	}
	return nil
}
