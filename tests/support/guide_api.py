"""A small API of two versions, with one of each thing that a migration guide tells."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from schemagen import (
    Api,
    Cel,
    Conversion,
    FieldPath,
    Kind,
    Problem,
    Resource,
    Rules,
    Secret,
    Spec,
    Version,
    wire,
)
from schemagen.problems import JSON
from schemagen.versions import steps
from schemagen.versions.records import PartFn, forget, keep, move, record, same_name


class OldSpec(Spec):
    """Desired state in v1alpha1."""

    instances: int = 1
    timeout_seconds: int | None = None
    mode: Literal["slow", "fast"] = "slow"
    image: str | None = None
    cluster: str | None = None
    password: Annotated[str, Secret()] | None = None
    name: str | None = None


class NewSpec(Spec, rules=[Cel("self.replicas < 50", "too many `replicas`")]):
    """Desired state in v1."""

    replicas: int = 2
    timeout: wire.Duration | None = None
    mode: Literal["Slow", "Fast", "Auto"] = "Slow"
    repository: str | None = None
    tag: str | None = None
    priority: int | None = Field(default=None, description="Priority; <b>higher</b> is first.")
    name: Annotated[str, Field(max_length=9)] | None = None


class OldWidget(Resource):
    """A widget."""

    spec: OldSpec


class NewWidget(Resource):
    """A widget."""

    spec: NewSpec


def split(old: dict[str, JSON], new: dict[str, JSON]) -> None:
    repository, colon, tag = str(old.get("image", "")).rpartition(":")
    if colon:
        new.update({"repository": repository, "tag": tag})


def join(new: dict[str, JSON], old: dict[str, JSON]) -> None:
    if "repository" in new and "tag" in new:
        old["image"] = f"{new['repository']}:{new['tag']}"


SPEC = record(
    move("instances", "replicas"),
    move("timeoutSeconds", "timeout", steps.to_duration()),
    same_name("mode", steps.enumeration({"slow": "Slow", "fast": "Fast"})),
    PartFn(split, join, old=("image",), new=("repository", "tag")),
    forget("password"),
    keep("name"),
)


def warned(widget: JSON) -> Iterator[Problem]:
    if widget["spec"].get("cluster"):
        yield Problem(FieldPath((".spec", ".cluster")), "is ignored by v1")


api = Api(
    "example.com",
    (
        Kind(
            "Widget",
            "widgets",
            (
                Version(
                    "v1alpha1",
                    OldWidget,
                    conversion=Conversion(
                        record(keep("kind", "metadata"), same_name("spec", SPEC))
                    ),
                    deprecated="example.com/v1alpha1 Widget is deprecated",
                    warnings=warned,
                ),
                Version("v1", NewWidget, storage=True),
            ),
            rules=Rules(),
        ),
    ),
)
