package main

import (
	"context"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"kubewright/controllerpeer/v1beta1"
)

type reconciler struct {
	client   client.Client
	recorder recorder.EventRecorder
	slots    *slots
}

// said is one condition as it is to be.
type said struct {
	kind, reason string
	holds        bool
}

var going = []said{{"Accepted", "Valid", true}, {"Admitted", "SlotHeld", true}, {"Blocked", "NotBlocked", false}}

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	run := &v1beta1.AgentRun{}
	if err := r.client.Get(ctx, request.NamespacedName, run); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err) // it has ended, or went
	}
	var err error
	switch {
	case run.DeletionTimestamp != nil:
		r.slots.free(run.UID)
	case run.Status == nil || ptr.Deref(run.Status.Phase, "") == "Pending":
		err = r.pending(ctx, run)
	case *run.Status.Phase == "Running":
		err = r.running(ctx, run)
	}
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: 1}, nil // it has changed since
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}

// pending starts a run that has a slot, or says what it waits for.
func (r *reconciler) pending(ctx context.Context, run *v1beta1.AgentRun) error {
	agent, provider := &v1beta1.Agent{}, &v1beta1.AgentProvider{}
	if err := r.client.Get(ctx, client.ObjectKey{Namespace: run.Namespace, Name: run.Spec.AgentRef.Name}, agent); err != nil {
		return err
	}
	if err := r.client.Get(ctx, client.ObjectKey{Namespace: run.Namespace, Name: agent.Spec.ProviderRef.Name}, provider); err != nil {
		return err
	}
	hash, err := hashOf(run)
	if err != nil {
		return err
	}
	if !r.slots.take(run) {
		return r.blocked(ctx, run, hash)
	}
	files, err := configMapOf(run, agent, provider)
	if err != nil {
		return err
	}
	job, err := jobOf(run, agent, provider)
	if err != nil {
		return err
	}
	for _, one := range []client.Object{files, job} {
		if err := r.client.Create(ctx, one); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	err = r.write(ctx, run, append(going, said{"InProgress", "Submitted", true}), "", func(status *v1beta1.AgentRunStatus) {
		now := metav1.Now()
		status.Phase, status.Reason, status.Attempt = ptr.To("Running"), ptr.To("Submitted"), ptr.To(int32(1))
		status.StartTime, status.SpecHash, status.Queue = &now, &hash, nil
		status.RuntimeRef = &v1beta1.RuntimeRef{
			Type: ptr.To("Job"), Name: &job.Name, Namespace: &job.Namespace, Uid: ptr.To(string(job.UID)),
		}
	})
	if err == nil {
		r.recorder.Eventf(run, nil, corev1.EventTypeNormal, "Submitted", "Reconcile", "Submitted to Job as %s.", job.Name)
	}
	return err
}

func (r *reconciler) blocked(ctx context.Context, run *v1beta1.AgentRun, hash string) error {
	if run.Status != nil && ptr.Deref(run.Status.Reason, "") == "ConcurrencyLimit" {
		return nil
	}
	const message = "The cluster's limit on runs in flight is reached."
	conditions := []said{{"Accepted", "Valid", true}, {"Admitted", "ConcurrencyLimit", false}, {"Blocked", "ConcurrencyLimit", true}}
	err := r.write(ctx, run, conditions, message, func(status *v1beta1.AgentRunStatus) {
		now := metav1.Now()
		status.Phase, status.Reason, status.Message = ptr.To("Pending"), ptr.To("ConcurrencyLimit"), ptr.To(message)
		status.SpecHash, status.Queue = &hash, &v1beta1.Queue{BlockedBy: ptr.To("Cluster"), Since: &now}
	})
	if err == nil {
		r.recorder.Eventf(run, nil, corev1.EventTypeNormal, "Blocked", "Reconcile", message)
	}
	return err
}

// running says what has become of the Job.
func (r *reconciler) running(ctx context.Context, run *v1beta1.AgentRun) error {
	job := &batchv1.Job{}
	if err := r.client.Get(ctx, client.ObjectKey{Namespace: run.Namespace, Name: nameOf(run)}, job); err != nil {
		return err
	}
	for _, one := range job.Status.Conditions {
		if (one.Type == batchv1.JobComplete || one.Type == batchv1.JobFailed) && one.Status == corev1.ConditionTrue {
			return r.ended(ctx, run, job, one)
		}
	}
	if ptr.Deref(job.Status.Ready, 0) == 0 || ptr.Deref(run.Status.Reason, "") == "Running" {
		return nil
	}
	err := r.write(ctx, run, append(going, said{"InProgress", "Running", true}), "", func(status *v1beta1.AgentRunStatus) {
		status.Reason = ptr.To("Running")
	})
	if err == nil {
		r.recorder.Eventf(run, nil, corev1.EventTypeNormal, "Started", "Reconcile", "The agent started in %s.", job.Name)
	}
	return err
}

func (r *reconciler) ended(ctx context.Context, run *v1beta1.AgentRun, job *batchv1.Job, ending batchv1.JobCondition) error {
	runner, err := r.report(ctx, job)
	if err != nil {
		return err
	}
	r.slots.free(run.UID)
	phase, reason := "Succeeded", "Completed"
	if ending.Type == batchv1.JobFailed {
		phase, reason = "Failed", "RunnerFailed"
	}
	conditions := []said{
		{"Accepted", "Valid", true}, {"Admitted", "SlotReleased", false}, {"Blocked", "NotBlocked", false},
		{"InProgress", "Ended", false}, {"Succeeded", reason, phase == "Succeeded"},
		{"Failed", reason, phase == "Failed"}, {"Cancelled", reason, false},
	}
	err = r.write(ctx, run, conditions, "", func(status *v1beta1.AgentRunStatus) {
		now := metav1.Now()
		status.Phase, status.Reason, status.CompletionTime, status.Runner = &phase, &reason, &now, runner
	})
	if err == nil {
		r.recorder.Eventf(run, nil, corev1.EventTypeNormal, phase, "Reconcile", "%s", reason)
	}
	return err
}

// report is what the kubelet knows of the runner's end.
func (r *reconciler) report(ctx context.Context, job *batchv1.Job) (*v1beta1.StatusRunner, error) {
	pods := &corev1.PodList{}
	err := r.client.List(ctx, pods, client.InNamespace(job.Namespace), client.MatchingLabels{batchv1.JobNameLabel: job.Name})
	if err != nil {
		return nil, fmt.Errorf("pods of %s: %w", job.Name, err)
	}
	for _, pod := range pods.Items {
		for _, one := range pod.Status.ContainerStatuses {
			if ended := one.State.Terminated; one.Name == container && ended != nil {
				status := "Succeeded"
				if ended.ExitCode != 0 {
					status = "Failed"
				}
				return &v1beta1.StatusRunner{
					Status: &status, ExitCode: &ended.ExitCode,
					StartTime: &ended.StartedAt, CompletionTime: &ended.FinishedAt,
				}, nil
			}
		}
	}
	return nil, nil
}

// write patches the status against the version that it was decided from.
func (r *reconciler) write(
	ctx context.Context, run *v1beta1.AgentRun, conditions []said, message string, change func(*v1beta1.AgentRunStatus),
) error {
	before := run.DeepCopy()
	now := metav1.Now()
	if run.Status == nil {
		run.Status = &v1beta1.AgentRunStatus{}
	}
	status := run.Status
	known := map[string]v1beta1.Condition{}
	for _, one := range status.Conditions {
		known[one.Type] = one
	}
	status.Message, status.ObservedGeneration, status.LastUpdateTime = nil, &run.Generation, &now
	status.Conditions = nil
	for _, one := range conditions {
		value := v1beta1.Condition{
			Type: one.kind, Reason: one.reason, Status: "False", LastTransitionTime: now, ObservedGeneration: &run.Generation,
		}
		if one.holds {
			value.Status = "True"
		}
		if value.Reason == "ConcurrencyLimit" {
			value.Message = message
		}
		if there, is := known[one.kind]; is && there.Status == value.Status {
			value.LastTransitionTime = there.LastTransitionTime
		}
		status.Conditions = append(status.Conditions, value)
	}
	change(status)
	return r.client.Status().Patch(ctx, run, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}
