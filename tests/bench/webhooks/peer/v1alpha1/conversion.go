// The conversion of a Go project: field by field, with what the other version cannot say lost.
// The Python server keeps that in an annotation; this one does less.
package v1alpha1

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/conversion"

	"kubewright/peer/v1beta1"
)

var runtimes = map[string]string{"job": "Job", "workflow": "Workflow", "temporal": "Temporal", "custom": "Custom"}
var modes = map[string]string{"read-write": "ReadWrite", "read-only": "ReadOnly", "none": "None"}
var providers = map[string]string{"github": "GitHub", "linear": "Linear", "manual": "Manual", "custom": "Custom"}
var onMissing = map[string]string{"stop": "Stop", "fail": "Fail"}

func back(words map[string]string, value string) string {
	for old, new := range words {
		if new == value {
			return old
		}
	}
	return ""
}

func pointer[T any](value T) *T { return &value }

func duration(seconds *int32) *string {
	if seconds == nil {
		return nil
	}
	hours, rest := *seconds/3600, *seconds%3600
	minutes, left := rest/60, rest%60
	var text strings.Builder
	for _, part := range []struct {
		number int32
		unit   string
	}{{hours, "h"}, {minutes, "m"}, {left, "s"}} {
		if part.number > 0 {
			fmt.Fprintf(&text, "%d%s", part.number, part.unit)
		}
	}
	if text.Len() == 0 {
		return pointer("0s")
	}
	return pointer(text.String())
}

func seconds(text *string) *int32 {
	if text == nil {
		return nil
	}
	found, err := time.ParseDuration(*text)
	if err != nil {
		return nil
	}
	return pointer(int32(found.Seconds()))
}

func parametersUp(old map[string]ParametersValue) []v1beta1.Parameter {
	if old == nil {
		return nil
	}
	names := make([]string, 0, len(old))
	for name := range old {
		names = append(names, name)
	}
	sort.Strings(names)
	new := make([]v1beta1.Parameter, 0, len(old))
	for _, name := range names {
		new = append(new, v1beta1.Parameter{Name: name, Value: pointer(string(old[name]))})
	}
	return new
}

func parametersDown(new []v1beta1.Parameter) map[string]ParametersValue {
	if new == nil {
		return nil
	}
	old := make(map[string]ParametersValue, len(new))
	for _, one := range new {
		if one.Value != nil {
			old[one.Name] = ParametersValue(*one.Value)
		}
	}
	return old
}

func texts[F ~string, T ~string](from []F) []T {
	if from == nil {
		return nil
	}
	to := make([]T, 0, len(from))
	for _, one := range from {
		to = append(to, T(one))
	}
	return to
}

func reference(from *AgentRef) *v1beta1.AgentRef {
	if from == nil {
		return nil
	}
	return &v1beta1.AgentRef{Name: from.Name}
}

func referenceDown(from *v1beta1.AgentRef) *AgentRef {
	if from == nil {
		return nil
	}
	return &AgentRef{Name: from.Name}
}

func implementationUp(inline *Implementation, specRef *AgentRef) *v1beta1.Implementation {
	if inline == nil {
		if specRef == nil {
			return nil
		}
		return &v1beta1.Implementation{SpecRef: reference(specRef)}
	}
	old := inline.Inline
	new := &v1beta1.Inline{
		Text: old.Text, Summary: old.Summary, Description: old.Description,
		AcceptanceCriteria: texts[string, v1beta1.AcceptanceCriteria](old.AcceptanceCriteria),
		Topics:             texts[string, v1beta1.Topic](old.Labels),
		VcsRef:             reference(old.VcsRef),
	}
	if old.Source != nil {
		new.Source = &v1beta1.Source{
			Provider: providers[old.Source.Provider], ExternalId: old.Source.ExternalId, Url: old.Source.Url,
		}
	}
	if old.Contract != nil {
		new.Contract = &v1beta1.Contract{
			RequiredParameters: texts[string, v1beta1.RequiredParameter](old.Contract.RequiredKeys),
		}
		for _, one := range old.Contract.Mappings {
			new.Contract.Aliases = append(new.Contract.Aliases, v1beta1.Aliase{From: one.From, To: one.To})
		}
	}
	return &v1beta1.Implementation{Inline: new}
}

func implementationDown(new *v1beta1.Implementation) (*Implementation, *AgentRef) {
	if new == nil {
		return nil, nil
	}
	if new.Inline == nil {
		return nil, referenceDown(new.SpecRef)
	}
	from := new.Inline
	old := Inline{
		Text: from.Text, Summary: from.Summary, Description: from.Description,
		AcceptanceCriteria: texts[v1beta1.AcceptanceCriteria, string](from.AcceptanceCriteria),
		Labels:             texts[v1beta1.Topic, string](from.Topics),
		VcsRef:             referenceDown(from.VcsRef),
	}
	if from.Source != nil {
		old.Source = &Source{
			Provider: back(providers, from.Source.Provider), ExternalId: from.Source.ExternalId, Url: from.Source.Url,
		}
	}
	if from.Contract != nil {
		old.Contract = &Contract{
			RequiredKeys: texts[v1beta1.RequiredParameter, string](from.Contract.RequiredParameters),
		}
		for _, one := range from.Contract.Aliases {
			old.Contract.Mappings = append(old.Contract.Mappings, Mapping{From: one.From, To: one.To})
		}
	}
	return &Implementation{Inline: old}, nil
}

func quantities(from map[string]string) map[string]resource.Quantity {
	if from == nil {
		return nil
	}
	to := make(map[string]resource.Quantity, len(from))
	for name, text := range from {
		if quantity, err := resource.ParseQuantity(text); err == nil {
			to[name] = quantity
		}
	}
	return to
}

func quantitiesDown(from map[string]resource.Quantity) map[string]string {
	if from == nil {
		return nil
	}
	to := make(map[string]string, len(from))
	for name, quantity := range from {
		to[name] = quantity.String()
	}
	return to
}

func workloadUp(old *Workload) *v1beta1.Workload {
	if old == nil {
		return nil
	}
	new := &v1beta1.Workload{Image: old.Image}
	if old.Resources != nil {
		new.Resources = &v1beta1.Resources{
			Requests: quantities(old.Resources.Requests), Limits: quantities(old.Resources.Limits),
		}
	}
	for _, volume := range old.Volumes {
		to := v1beta1.Volume{Name: volume.Name, MountPath: volume.MountPath, ReadOnly: volume.ReadOnly}
		switch volume.Type {
		case "emptyDir":
			to.EmptyDir = &v1beta1.EmptyDir{Medium: volume.Medium}
			if volume.SizeLimit != nil {
				if quantity, err := resource.ParseQuantity(*volume.SizeLimit); err == nil {
					to.EmptyDir.SizeLimit = &quantity
				}
			}
		case "pvc":
			if volume.ClaimName != nil {
				to.PersistentVolumeClaim = &v1beta1.PersistentVolumeClaim{ClaimName: *volume.ClaimName}
			}
		case "secret":
			if volume.SecretName != nil {
				to.Secret = &v1beta1.Secret{SecretName: *volume.SecretName}
			}
		}
		new.Volumes = append(new.Volumes, to)
	}
	return new
}

func workloadDown(new *v1beta1.Workload) *Workload {
	if new == nil {
		return nil
	}
	old := &Workload{Image: new.Image}
	if new.Resources != nil {
		old.Resources = &Resources{
			Requests: quantitiesDown(new.Resources.Requests), Limits: quantitiesDown(new.Resources.Limits),
		}
	}
	for _, volume := range new.Volumes {
		to := Volume{Name: volume.Name, MountPath: volume.MountPath, ReadOnly: volume.ReadOnly}
		switch {
		case volume.EmptyDir != nil:
			to.Type, to.Medium = "emptyDir", volume.EmptyDir.Medium
			if volume.EmptyDir.SizeLimit != nil {
				to.SizeLimit = pointer(volume.EmptyDir.SizeLimit.String())
			}
		case volume.PersistentVolumeClaim != nil:
			to.Type, to.ClaimName = "pvc", &volume.PersistentVolumeClaim.ClaimName
		case volume.Secret != nil:
			to.Type, to.SecretName = "secret", &volume.Secret.SecretName
		}
		old.Volumes = append(old.Volumes, to)
	}
	return old
}

func stepUp(old Step) v1beta1.Step {
	new := v1beta1.Step{
		Name:           old.Name,
		Implementation: implementationUp(old.Implementation, old.ImplementationSpecRef),
		Workload:       workloadUp(old.Workload),
		Parameters:     parametersUp(old.Parameters),
		Timeout:        duration(old.TimeoutSeconds),
	}
	if old.Retries != nil || old.RetryBackoffSeconds != nil {
		new.Retry = &v1beta1.Retry{Limit: old.Retries}
		if old.RetryBackoffSeconds != nil {
			new.Retry.Backoff = &v1beta1.Backoff{Base: duration(old.RetryBackoffSeconds)}
		}
	}
	if old.Loop != nil {
		new.Loop = &v1beta1.Loop{MaxIterations: old.Loop.MaxIterations}
		if from := old.Loop.Condition; from != nil {
			new.Loop.While = &v1beta1.While{Cel: from.Expression}
			if from.Source != nil {
				control := &v1beta1.Control{Path: from.Source.Path}
				if from.Source.OnMissing != nil {
					control.OnMissing = pointer(onMissing[*from.Source.OnMissing])
				}
				if from.Source.OnInvalid != nil {
					control.OnInvalid = pointer(onMissing[*from.Source.OnInvalid])
				}
				new.Loop.While.Control = control
			}
		}
		if from := old.Loop.State; from != nil {
			new.Loop.State = &v1beta1.State{
				Persistent: from.Required, Volumes: texts[string, v1beta1.StateVolume](from.VolumeNames),
			}
		}
	}
	return new
}

func stepDown(new v1beta1.Step) Step {
	old := Step{
		Name:           new.Name,
		Workload:       workloadDown(new.Workload),
		Parameters:     parametersDown(new.Parameters),
		TimeoutSeconds: seconds(new.Timeout),
	}
	old.Implementation, old.ImplementationSpecRef = implementationDown(new.Implementation)
	if new.Retry != nil {
		old.Retries = new.Retry.Limit
		if new.Retry.Backoff != nil {
			old.RetryBackoffSeconds = seconds(new.Retry.Backoff.Base)
		}
	}
	if new.Loop != nil {
		old.Loop = &Loop{MaxIterations: new.Loop.MaxIterations}
		if from := new.Loop.While; from != nil {
			old.Loop.Condition = &Condition{Type: pointer("cel"), Expression: from.Cel}
			if from.Control != nil {
				source := &ConditionSource{Type: pointer("file"), Path: from.Control.Path}
				if from.Control.OnMissing != nil {
					source.OnMissing = pointer(back(onMissing, *from.Control.OnMissing))
				}
				if from.Control.OnInvalid != nil {
					source.OnInvalid = pointer(back(onMissing, *from.Control.OnInvalid))
				}
				old.Loop.Condition.Source = source
			}
		}
		if from := new.Loop.State; from != nil {
			old.Loop.State = &State{Required: from.Persistent, VolumeNames: texts[v1beta1.StateVolume, string](from.Volumes)}
		}
	}
	return old
}

type config struct {
	ServiceAccountName *string `json:"serviceAccountName,omitempty"`
	BackoffLimit       *int32  `json:"backoffLimit,omitempty"`
}

// ConvertTo makes a v1beta1 run.
func (old *AgentRun) ConvertTo(hub conversion.Hub) error {
	new := hub.(*v1beta1.AgentRun)
	new.ObjectMeta = old.ObjectMeta
	spec, from := &new.Spec, &old.Spec
	spec.AgentRef = v1beta1.AgentRef{Name: from.AgentRef.Name}
	spec.Implementation = implementationUp(from.Implementation, from.ImplementationSpecRef)
	if from.Goal != nil {
		spec.Goal = &v1beta1.Goal{Objective: from.Goal.Objective, TokenBudget: from.Goal.TokenBudget}
	}
	spec.Runtime.Type = runtimes[from.Runtime.Type]
	if from.Runtime.Config != nil {
		var settings config
		if err := json.Unmarshal(from.Runtime.Config.Raw, &settings); err != nil {
			return err
		}
		if settings.ServiceAccountName != nil {
			spec.Runtime.PodTemplate = &v1beta1.PodTemplate{ServiceAccountName: settings.ServiceAccountName}
		}
		spec.Runtime.BackoffLimit = settings.BackoffLimit
	}
	if from.Workflow != nil {
		workflow := &v1beta1.Workflow{Parallelism: pointer(int32(1))}
		for _, step := range from.Workflow.Steps {
			workflow.Steps = append(workflow.Steps, stepUp(step))
		}
		spec.Runtime.Workflow = workflow
	}
	spec.Workload = workloadUp(from.Workload)
	spec.Parameters = parametersUp(from.Parameters)
	for _, name := range from.Secrets {
		spec.SecretRefs = append(spec.SecretRefs, v1beta1.AgentRef{Name: name})
	}
	spec.MemoryRef = reference(from.MemoryRef)
	if from.VcsRef != nil || from.VcsPolicy != nil {
		spec.Vcs = &v1beta1.Vcs{ProviderRef: reference(from.VcsRef)}
		if from.VcsPolicy != nil {
			spec.Vcs.Required = from.VcsPolicy.Required
			if from.VcsPolicy.Mode != nil {
				spec.Vcs.Mode = pointer(modes[*from.VcsPolicy.Mode])
			}
		}
	}
	spec.IdempotencyKey = from.IdempotencyKey
	if ttl := from.TtlSecondsAfterFinished; ttl != nil {
		spec.Retention = &v1beta1.Retention{}
		if *ttl == 0 {
			spec.Retention.KeepForever = pointer(true)
		} else {
			spec.Retention.Ttl = duration(ttl)
		}
	}
	if status := old.Status; status != nil {
		new.Status = &v1beta1.AgentRunStatus{
			ObservedGeneration: status.ObservedGeneration, Phase: status.Phase, Reason: status.Reason,
			Message: status.Message, StartTime: status.StartedAt, CompletionTime: status.FinishedAt,
			LastUpdateTime: status.UpdatedAt, SystemPromptHash: status.SystemPromptHash, SpecHash: status.SpecHash,
		}
	}
	return nil
}

// ConvertFrom makes a v1alpha1 run.
func (old *AgentRun) ConvertFrom(hub conversion.Hub) error {
	new := hub.(*v1beta1.AgentRun)
	old.ObjectMeta = new.ObjectMeta
	spec, from := &old.Spec, &new.Spec
	spec.AgentRef = AgentRef{Name: from.AgentRef.Name}
	spec.Implementation, spec.ImplementationSpecRef = implementationDown(from.Implementation)
	if from.Goal != nil {
		spec.Goal = &Goal{Objective: from.Goal.Objective, TokenBudget: from.Goal.TokenBudget}
	}
	spec.Runtime.Type = back(runtimes, from.Runtime.Type)
	if from.Runtime.PodTemplate != nil || from.Runtime.BackoffLimit != nil {
		settings := config{BackoffLimit: from.Runtime.BackoffLimit}
		if from.Runtime.PodTemplate != nil {
			settings.ServiceAccountName = from.Runtime.PodTemplate.ServiceAccountName
		}
		raw, err := json.Marshal(settings)
		if err != nil {
			return err
		}
		spec.Runtime.Config = &runtime.RawExtension{Raw: raw}
	}
	if from.Runtime.Workflow != nil {
		spec.Workflow = &Workflow{}
		for _, step := range from.Runtime.Workflow.Steps {
			spec.Workflow.Steps = append(spec.Workflow.Steps, stepDown(step))
		}
	}
	spec.Workload = workloadDown(from.Workload)
	spec.Parameters = parametersDown(from.Parameters)
	for _, one := range from.SecretRefs {
		spec.Secrets = append(spec.Secrets, one.Name)
	}
	spec.MemoryRef = referenceDown(from.MemoryRef)
	if from.Vcs != nil {
		spec.VcsRef = referenceDown(from.Vcs.ProviderRef)
		if from.Vcs.Mode != nil || from.Vcs.Required != nil {
			spec.VcsPolicy = &VcsPolicy{Required: from.Vcs.Required}
			if from.Vcs.Mode != nil {
				spec.VcsPolicy.Mode = pointer(back(modes, *from.Vcs.Mode))
			}
		}
	}
	spec.IdempotencyKey = from.IdempotencyKey
	if from.Retention != nil {
		if from.Retention.KeepForever != nil && *from.Retention.KeepForever {
			spec.TtlSecondsAfterFinished = pointer(int32(0))
		} else {
			spec.TtlSecondsAfterFinished = seconds(from.Retention.Ttl)
		}
	}
	if status := new.Status; status != nil {
		old.Status = &AgentRunStatus{
			ObservedGeneration: status.ObservedGeneration, Phase: status.Phase, Reason: status.Reason,
			Message: status.Message, StartedAt: status.StartTime, FinishedAt: status.CompletionTime,
			UpdatedAt: status.LastUpdateTime, SystemPromptHash: status.SystemPromptHash, SpecHash: status.SpecHash,
		}
	}
	return nil
}
