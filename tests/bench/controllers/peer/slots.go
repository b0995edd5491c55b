package main

import (
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"kubewright/controllerpeer/v1beta1"
)

// slots are so many; who gets none is woken when its turn has come, first come first served.
type slots struct {
	mutex   sync.Mutex
	most    int
	held    map[types.UID]bool
	known   map[types.UID]bool
	waiting []waiting
	woken   chan<- event.TypedGenericEvent[*v1beta1.AgentRun]
}

type waiting struct {
	uid types.UID
	key client.ObjectKey
}

func newSlots(most int, woken chan<- event.TypedGenericEvent[*v1beta1.AgentRun]) *slots {
	return &slots{most: most, held: map[types.UID]bool{}, known: map[types.UID]bool{}, woken: woken}
}

// take has a run hold a slot, or wait for one; whether it holds one.
func (s *slots) take(run *v1beta1.AgentRun) bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.held[run.UID] {
		return true
	}
	if len(s.held) < s.most && len(s.waiting) == 0 {
		s.held[run.UID] = true
		return true
	}
	if !s.known[run.UID] {
		s.known[run.UID] = true
		s.waiting = append(s.waiting, waiting{run.UID, client.ObjectKeyFromObject(run)})
	}
	return false
}

// free gives a slot to who waits longest.
func (s *slots) free(uid types.UID) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if !s.held[uid] {
		return
	}
	delete(s.held, uid)
	if len(s.waiting) == 0 {
		return
	}
	next := s.waiting[0]
	s.waiting = s.waiting[1:]
	delete(s.known, next.uid)
	s.held[next.uid] = true
	meta := metav1.ObjectMeta{Name: next.key.Name, Namespace: next.key.Namespace}
	s.woken <- event.TypedGenericEvent[*v1beta1.AgentRun]{Object: &v1beta1.AgentRun{ObjectMeta: meta}}
}
