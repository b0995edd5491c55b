package v1beta1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// AgentRunList is a page of them.
// +kubebuilder:object:root=true
type AgentRunList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AgentRun `json:"items"`
}

// AgentList is a page of them.
// +kubebuilder:object:root=true
type AgentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Agent `json:"items"`
}

// AgentProviderList is a page of them.
// +kubebuilder:object:root=true
type AgentProviderList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AgentProvider `json:"items"`
}

// AddToScheme makes the kinds known.
func AddToScheme(scheme *runtime.Scheme, version schema.GroupVersion) error {
	scheme.AddKnownTypes(version,
		&AgentRun{}, &AgentRunList{}, &Agent{}, &AgentList{}, &AgentProvider{}, &AgentProviderList{})
	metav1.AddToGroupVersion(scheme, version)
	return nil
}
