// A webhook server of controller-runtime with the same types, rules, defaults and conversion, to
// measure ours against.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/controller-runtime/pkg/webhook/conversion"

	"kubewright/peer/v1alpha1"
	"kubewright/peer/v1beta1"
)

const (
	group             = "agents.proompteng.ai"
	maxParameterBytes = 2048
	maxTextBytes      = 128 * 1024
)

type rules struct{}

// Default gives a workflow without steps one, and a VCS without a mode the one that is meant.
func (rules) Default(_ context.Context, run *v1beta1.AgentRun) error {
	spec := &run.Spec
	if spec.Runtime.Type == "Workflow" && (spec.Runtime.Workflow == nil || len(spec.Runtime.Workflow.Steps) == 0) {
		one := int32(1)
		if spec.Runtime.Workflow == nil {
			spec.Runtime.Workflow = &v1beta1.Workflow{Parallelism: &one}
		}
		spec.Runtime.Workflow.Steps = []v1beta1.Step{{Name: "implement"}}
	}
	if spec.Vcs != nil && spec.Vcs.ProviderRef != nil && spec.Vcs.Mode == nil {
		mode := "ReadWrite"
		spec.Vcs.Mode = &mode
	}
	return nil
}

func parameters(path *field.Path, found []v1beta1.Parameter) (problems field.ErrorList) {
	for _, one := range found {
		if one.Value != nil && len(*one.Value) > maxParameterBytes {
			problems = append(problems, field.TooLong(path.Key(one.Name).Child("value"), "", maxParameterBytes))
		}
	}
	return problems
}

func check(run *v1beta1.AgentRun) error {
	path := field.NewPath("spec")
	problems := parameters(path.Child("parameters"), run.Spec.Parameters)
	if one := run.Spec.Implementation; one != nil && one.Inline != nil && len(one.Inline.Text) > maxTextBytes {
		problems = append(problems, field.TooLong(path.Child("implementation", "inline", "text"), "", maxTextBytes))
	}
	if run.Spec.Runtime.Workflow != nil {
		for _, step := range run.Spec.Runtime.Workflow.Steps {
			at := path.Child("runtime", "workflow", "steps").Key(step.Name)
			problems = append(problems, parameters(at.Child("parameters"), step.Parameters)...)
			if one := step.Implementation; one != nil && one.Inline != nil && len(one.Inline.Text) > maxTextBytes {
				problems = append(problems, field.TooLong(at.Child("implementation", "inline", "text"), "", maxTextBytes))
			}
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return apierrors.NewInvalid(schema.GroupKind{Group: group, Kind: "AgentRun"}, run.Name, problems)
}

func (rules) ValidateCreate(_ context.Context, run *v1beta1.AgentRun) (admission.Warnings, error) {
	return nil, check(run)
}

func (rules) ValidateUpdate(_ context.Context, _, run *v1beta1.AgentRun) (admission.Warnings, error) {
	return nil, check(run)
}

func (rules) ValidateDelete(context.Context, *v1beta1.AgentRun) (admission.Warnings, error) {
	return nil, nil
}

// echo is the limit: TLS and HTTP, and nothing done.
func echo(answer http.ResponseWriter, request *http.Request) {
	if _, err := io.Copy(io.Discard, request.Body); err == nil {
		answer.Header().Set("Content-Type", "application/json")
		_, _ = answer.Write(make([]byte, 134))
	}
}

func main() {
	port := flag.Int("port", 9443, "port")
	directory := flag.String("cert-dir", ".", "folder of tls.crt and tls.key")
	schemaPath := flag.String("schema", "", "JSON schema of v1beta1, by which v1alpha1 is judged")
	flag.Parse()
	log.SetLogger(zap.New())
	scheme := runtime.NewScheme()
	for version, object := range map[string]runtime.Object{"v1alpha1": &v1alpha1.AgentRun{}, "v1beta1": &v1beta1.AgentRun{}} {
		of := schema.GroupVersion{Group: group, Version: version}
		scheme.AddKnownTypes(of, object)
		metav1.AddToGroupVersion(scheme, of)
	}
	server := webhook.NewServer(webhook.Options{Host: "127.0.0.1", Port: *port, CertDir: *directory})
	server.Register("/mutate", admission.WithDefaulter[*v1beta1.AgentRun](scheme, rules{}))
	server.Register("/validate", admission.WithValidator[*v1beta1.AgentRun](scheme, rules{}))
	judge, err := newOlder(*schemaPath)
	if err != nil {
		panic(err)
	}
	server.Register("/validate-older", &admission.Webhook{Handler: judge})
	server.Register("/echo", http.HandlerFunc(echo))
	server.Register("/convert", conversion.NewWebhookHandler(scheme, conversion.NewRegistry()))
	fmt.Printf("serving %s at https://127.0.0.1:%d\n", group, *port)
	if err := server.Start(ctrl.SetupSignalHandler()); err != nil {
		panic(err)
	}
}
