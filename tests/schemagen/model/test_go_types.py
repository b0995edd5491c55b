"""A CRD becomes Go types with markers; what no marker expresses is an error."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from schemagen import (
    Api,
    Atomic,
    Cel,
    Column,
    Kind,
    ListMap,
    Model,
    Resource,
    Scale,
    Spec,
    Status,
    Version,
)
from schemagen.crd import definitions
from schemagen.model.base import JSONObject
from schemagen.model.wire import Duration, Int32, IntOrString, Quantity, Timestamp
from tests.bench import go_types

Label = Annotated[str, Field(max_length=63)]


class Size(Model):
    """How large it is."""

    width: Int32 = Field(ge=1, le=9, description="Its width.")


class Part(Model, rules=[Cel("self.name != 'x'", 'not "x"')]):
    """A part of it."""

    name: str
    size: Size | None = Field(default=None, description="Its size.")


class ThingSpec(Spec):
    replicas: Int32 = Field(default=1, description="How many.")
    mode: Literal["On", "Off"]
    parts: Annotated[list[Part], ListMap("name"), Field(max_length=9)] | None = None
    tags: Annotated[list[Label], Atomic()] | None = None
    labels: Annotated[dict[str, Label], Field(max_length=3)] | None = None
    largest: Size | None = Field(default=None, description="The largest of all.")
    limits: dict[str, Quantity] | None = None
    port: IntOrString | None = None
    every: Duration | None = None
    extra: Annotated[JSONObject, Field(min_length=1)] | None = None
    anything: Any = None


class ThingStatus(Status):
    replicas: Int32 | None = None
    seen: Timestamp | None = None


class Thing(Resource):
    """A thing."""

    spec: ThingSpec
    status: ThingStatus | None = None


def definition(model: type[Resource] = Thing, **more: Any) -> dict[str, Any]:
    version = Version(name="v1", model=model, storage=True, **more)
    kind = Kind(name="Thing", plural="things", short_names=("t",), versions=(version,))
    return definitions.crd(Api(group="x.example.com", kinds=(kind,)), kind)


# controller-gen 0.23 generates the same CRD from it, except for the comments of metav1.TypeMeta.
EXPECTED = """\
// +groupName=x.example.com

package v1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	resource "k8s.io/apimachinery/pkg/api/resource"
	runtime "k8s.io/apimachinery/pkg/runtime"
	intstr "k8s.io/apimachinery/pkg/util/intstr"
)

type Size struct {
	// Its width.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=9
	Width int32 `json:"width"`
}

// A part of it.
// +kubebuilder:validation:XValidation:rule="self.name != 'x'",message="not \\"x\\""
type Part struct {
	Name string `json:"name"`
	// Its size.
	Size *Size `json:"size,omitempty"`
}

// +kubebuilder:validation:MaxLength=63
type Tag string

type ThingSpec struct {
	// How many.
	// +default=1
	Replicas *int32 `json:"replicas,omitempty"`
	// +kubebuilder:validation:Enum={"On","Off"}
	Mode string `json:"mode"`
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=9
	Parts []Part `json:"parts,omitempty"`
	// +listType=atomic
	Tags []Tag `json:"tags,omitempty"`
	// +kubebuilder:validation:MaxProperties=3
	Labels map[string]Tag `json:"labels,omitempty"`
	// The largest of all.
	Largest *Size `json:"largest,omitempty"`
	Limits map[string]resource.Quantity `json:"limits,omitempty"`
	// +kubebuilder:validation:XIntOrString
	Port *intstr.IntOrString `json:"port,omitempty"`
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern="^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
	Every *string `json:"every,omitempty"`
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:MinProperties=1
	Extra *runtime.RawExtension `json:"extra,omitempty"`
	// +kubebuilder:pruning:PreserveUnknownFields
	Anything *apiextensionsv1.JSON `json:"anything,omitempty"`
}

type ThingStatus struct {
	Replicas *int32 `json:"replicas,omitempty"`
	Seen *metav1.Time `json:"seen,omitempty"`
}

// A thing.
// +kubebuilder:resource:path=things,singular=thing,scope=Namespaced,shortName={"t"}
// +kubebuilder:storageversion
// +kubebuilder:deprecatedversion:warning="use v2"
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=".spec.replicas",statuspath=".status.replicas"
// +kubebuilder:printcolumn:name="Mode",type="string",priority=1,JSONPath=".spec.mode"
// +kubebuilder:selectablefield:JSONPath=".spec.mode"
type Thing struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec ThingSpec `json:"spec"`
	Status *ThingStatus `json:"status,omitempty"`
}
"""


def test_a_kind_becomes_a_package() -> None:
    found = definition(
        deprecated="use v2",
        scale=Scale(".spec.replicas", ".status.replicas"),
        columns=(Column("Mode", ".spec.mode", priority=1),),
        selectable=(".spec.mode",),
    )

    packages = go_types.packages([found])

    assert {"v1": EXPECTED} == packages


def test_a_float_has_no_marker() -> None:
    class Sized(Resource):
        spec: float

    with pytest.raises(ValueError, match=r"got number at Thing\.Spec;"):
        go_types.packages([definition(Sized)])


def test_a_union_has_no_marker() -> None:
    class One(Model):
        type: Literal["One"]

    class Two(Model):
        type: Literal["Two"]

    class Either(Resource):
        spec: One | Two = Field(discriminator="type")

    with pytest.raises(ValueError, match=r"got oneOf at Thing\.Spec;"):
        go_types.packages([definition(Either)])
