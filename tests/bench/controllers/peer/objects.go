package main

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"kubewright/controllerpeer/v1beta1"
)

const (
	runLabel   = group + "/run-uid"
	container  = "agent-runner"
	root       = "/workspace"
	statusJSON = root + "/.agent/status.json"
	// What a run that says nothing gets.
	image      = "runner"
	ttlSeconds = 600
)

func keyOf(run *v1beta1.AgentRun) string {
	return fmt.Sprintf("%s/1", run.UID)
}

// nameOf is the name of what carries a run out; who makes it twice makes one.
func nameOf(run *v1beta1.AgentRun) string {
	hashed := sha256.Sum256([]byte(keyOf(run)))
	return "run-" + strings.ToLower(base32.StdEncoding.EncodeToString(hashed[:]))[:20]
}

func hashOf(run *v1beta1.AgentRun) (string, error) {
	spec := run.Spec.DeepCopy()
	spec.Cancel, spec.Suspend, spec.Priority, spec.Retention = nil, nil, nil, nil
	written, err := json.Marshal(spec)
	hashed := sha256.Sum256(written)
	return hex.EncodeToString(hashed[:]), err
}

func metaOf(run *v1beta1.AgentRun) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:        nameOf(run),
		Namespace:   run.Namespace,
		Labels:      labelsOf(run),
		Annotations: map[string]string{group + "/key": keyOf(run)},
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion:         group + "/v1beta1",
			Kind:               "AgentRun",
			Name:               run.Name,
			UID:                run.UID,
			Controller:         ptr.To(true),
			BlockOwnerDeletion: ptr.To(true),
		}},
	}
}

func labelsOf(run *v1beta1.AgentRun) map[string]string {
	return map[string]string{
		runLabel:             string(run.UID),
		group + "/agent-run": run.Name,
		group + "/agent":     run.Spec.AgentRef.Name,
	}
}

// configMapOf is the files that the pod finds.
func configMapOf(run *v1beta1.AgentRun, agent *v1beta1.Agent, provider *v1beta1.AgentProvider) (*corev1.ConfigMap, error) {
	inputs := map[string]string{}
	for _, one := range run.Spec.Parameters {
		inputs[one.Name] = ptr.Deref(one.Value, "")
	}
	task := map[string]any{}
	if one := run.Spec.Implementation; one != nil && one.Inline != nil {
		task["text"] = one.Inline.Text
	}
	exec := map[string]any{}
	if one := provider.Spec.Adapter.Exec; one != nil {
		exec["binary"] = one.Binary
	}
	runFile, err := json.Marshal(map[string]any{
		"provider":       agent.Spec.ProviderRef.Name,
		"agentRun":       map[string]any{"name": run.Name, "uid": run.UID, "namespace": run.Namespace},
		"implementation": task,
		"parameters":     inputs,
		"artifacts":      []any{},
		"prompt":         task["text"],
	})
	if err != nil {
		return nil, err
	}
	runnerFile, err := json.Marshal(map[string]any{
		"schemaVersion": "agents.proompteng.ai/runner/v1",
		"provider":      agent.Spec.ProviderRef.Name,
		"inputs":        inputs,
		"artifacts":     map[string]any{},
		"providerSpec":  map[string]any{"outputArtifacts": []any{}},
		"adapter":       map[string]any{"type": "exec", "exec": exec},
	})
	return &corev1.ConfigMap{
		ObjectMeta: metaOf(run),
		Immutable:  ptr.To(true),
		Data:       map[string]string{"run.json": string(runFile), "agent-runner.json": string(runnerFile)},
	}, err
}

// jobOf is the Job that carries a run out.
func jobOf(run *v1beta1.AgentRun, agent *v1beta1.Agent, provider *v1beta1.AgentProvider) (*batchv1.Job, error) {
	ttl := int32(ttlSeconds)
	if given := run.Spec.Runtime.JobTTL; given != nil {
		parsed, err := time.ParseDuration(*given)
		if err != nil {
			return nil, err
		}
		ttl = int32(parsed.Seconds())
	}
	mount := func(volume, path, part string) corev1.VolumeMount {
		return corev1.VolumeMount{Name: volume, MountPath: path, SubPath: part, ReadOnly: part != ""}
	}
	reference := corev1.LocalObjectReference{Name: nameOf(run)}
	return &batchv1.Job{
		ObjectMeta: metaOf(run),
		Spec: batchv1.JobSpec{
			BackoffLimit:            ptr.To(ptr.Deref(run.Spec.Runtime.BackoffLimit, 0)),
			TTLSecondsAfterFinished: &ttl,
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labelsOf(run)},
				Spec: corev1.PodSpec{
					RestartPolicy: corev1.RestartPolicyNever,
					Containers: []corev1.Container{{
						Name:    container,
						Image:   image,
						Command: []string{provider.Spec.Runner.Command},
						Env: []corev1.EnvVar{
							{Name: "AGENT_RUN_SPEC", Value: root + "/run.json"},
							{Name: "AGENT_RUNNER_SPEC_PATH", Value: root + "/agent-runner.json"},
							{Name: "AGENT_PROVIDER", Value: agent.Spec.ProviderRef.Name},
						},
						TerminationMessagePath:   statusJSON,
						TerminationMessagePolicy: corev1.TerminationMessageReadFile,
						VolumeMounts: []corev1.VolumeMount{
							mount("workspace", root, ""),
							mount("spec", root+"/run.json", "run.json"),
							mount("spec", root+"/agent-runner.json", "agent-runner.json"),
						},
					}},
					Volumes: []corev1.Volume{
						{Name: "workspace", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
						{Name: "spec", VolumeSource: corev1.VolumeSource{
							ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: reference},
						}},
					},
				},
			},
		},
	}, nil
}
