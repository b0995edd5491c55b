"""Requests to the three judges, and their verdicts."""

import dataclasses
from collections.abc import Sequence
from typing import Literal, Protocol

from schemagen.model import registry
from schemagen.problems import JSON, Cause

Operation = Literal["create", "update", "update_status"]


@dataclasses.dataclass(frozen=True)
class Subject:
    """A version of a kind, alone in its own API group, so that no webhook intercepts it.

    Attributes:
        api: An API with this kind and version only.
        crd: Its CustomResourceDefinition.
    """

    api: registry.Api
    crd: JSON

    @property
    def kind(self) -> registry.Kind:
        """The kind."""
        return self.api.kinds[0]

    @property
    def version(self) -> registry.Version:
        """The version."""
        return self.kind.versions[0]

    @property
    def has_status(self) -> bool:
        """Return whether it has a status subresource."""
        return "status" in self.crd["spec"]["versions"][0].get("subresources", {})

    def __str__(self) -> str:
        return f"{self.kind.name} {self.version.name}"


@dataclasses.dataclass(frozen=True)
class Question:
    """A request to create an object, or to replace the old one."""

    operation: Operation
    value: JSON
    old: JSON = None


@dataclasses.dataclass(frozen=True)
class Said:
    """A verdict, with causes sorted by field.

    Attributes:
        allowed: Whether the object would be accepted.
        causes: Reasons for a refusal.
        message: The message where there are no causes.
        is_undecided: Whether rules that this judge cannot run were left out.
    """

    allowed: bool
    causes: Sequence[Cause] = ()
    message: str = ""
    is_undecided: bool = False


class Server(Protocol):
    """A real API server."""

    async def install(self, subject: Subject) -> None:
        """Create the subject's CRD, and wait until its objects are served."""

    async def remove(self, subject: Subject) -> None:
        """Delete the subject's CRD with all its objects."""

    async def store(self, subject: Subject, value: JSON) -> JSON:
        """Create an object that stays, and return it as stored."""

    async def ask(self, subject: Subject, question: Question) -> Said:
        """Send a dry-run request; unknown fields are dropped, not refused."""
