// The loop of our controller of AgentRuns on controller-runtime, to measure ours against: an AgentRun
// becomes a ConfigMap and a Job, what becomes of the Job becomes its status, Events tell of it, and
// no more than so many run at once. The limit is kept in memory, so that it ends with the process.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"kubewright/controllerpeer/v1beta1"
)

const (
	group = "agents.proompteng.ai"
	name  = "agents-controller"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	_ = clientgoscheme.AddToScheme(scheme)
	_ = v1beta1.AddToScheme(scheme, schema.GroupVersion{Group: group, Version: "v1beta1"})
	return scheme
}

// follows is what the caches hold: runs that have not ended, and Jobs that were made for runs.
func follows(namespace string) cache.Options {
	live := must(fields.ParseSelector("status.phase!=Cancelled,status.phase!=Failed,status.phase!=Succeeded"))
	return cache.Options{
		DefaultNamespaces: map[string]cache.Config{namespace: {}},
		DefaultTransform:  cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&v1beta1.AgentRun{}: {Field: live},
			&batchv1.Job{}:      {Label: must(labels.Parse(runLabel))},
		},
	}
}

func main() {
	namespace := flag.String("namespace", "", "whose runs; the Lease is there, too")
	most := flag.Int("most", 100, "how many runs may be in flight")
	workers := flag.Int("workers", 16, "how many runs are looked at side by side")
	flag.Parse()
	ctrl.SetLogger(zap.New())
	config := must(ctrl.GetConfig()) // of --kubeconfig; without a limit of requests
	config.UserAgent = "peer"
	mgr := must(ctrl.NewManager(config, manager.Options{
		Scheme:                        newScheme(),
		Cache:                         follows(*namespace),
		Metrics:                       metricsserver.Options{BindAddress: "0"},
		LeaderElection:                true,
		LeaderElectionID:              name,
		LeaderElectionNamespace:       *namespace,
		LeaderElectionReleaseOnCancel: true,
		Client: client.Options{Cache: &client.CacheOptions{
			// Pods and ConfigMaps are many, and asked for once.
			DisableFor:                      []client.Object{&corev1.Pod{}, &corev1.ConfigMap{}, &eventsv1.Event{}},
			EnableReadYourWritesConsistency: ptr.To(true),
		}},
	}))
	woken := make(chan event.TypedGenericEvent[*v1beta1.AgentRun], 1024)
	runs := &reconciler{
		client:   mgr.GetClient(),
		recorder: mgr.GetEventRecorder(name),
		slots:    newSlots(*most, woken),
	}
	err := builder.ControllerManagedBy(mgr).
		For(&v1beta1.AgentRun{}).
		Owns(&batchv1.Job{}).
		WatchesRawSource(source.Channel(woken, &handler.TypedEnqueueRequestForObject[*v1beta1.AgentRun]{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: *workers}).
		Complete(runs)
	if err == nil {
		err = mgr.Add(manager.RunnableFunc(func(context.Context) error {
			// Runnables of who leads start once the caches have everything.
			fmt.Println("serving " + *namespace)
			return nil
		}))
	}
	if err == nil {
		err = mgr.Start(ctrl.SetupSignalHandler())
	}
	must(0, err)
}
