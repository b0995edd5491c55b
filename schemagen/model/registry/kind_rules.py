"""Rules of a kind beyond its schema, and what they are told."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from schemagen.model import field_types
from schemagen.problems import JSON, Problem


class User(msgspec.Struct, frozen=True, kw_only=True):
    """The user of a request, as authenticated by the API server (authentication.k8s.io UserInfo).

    Attributes:
        username: Such as ``system:serviceaccount:team-a:deployer``.
        uid: Distinguishes users who had the same name at different times.
        groups: The groups the user belongs to.
        extra: Additional data from the authenticator.
    """

    username: str = ""
    uid: str = ""
    groups: Sequence[str] = ()
    extra: Mapping[str, Sequence[str]] = msgspec.field(default_factory=dict)


Operation: TypeAlias = Literal["CREATE", "UPDATE", "DELETE"]
Subresource: TypeAlias = Literal["status", "scale"]
HubRules: TypeAlias = Literal["refuse", "warn", "off"]

OPERATIONS: Final = ("CREATE", "UPDATE", "DELETE")


class NotLookedUpError(LookupError):
    """A rule needs an object that was not looked up; whether it exists is unknown."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Context of a rule besides the object; gathered by the caller.

    Attributes:
        dry_run: Nothing will be stored.
        most_bytes: Upper bound of the canonical JSON size of the object and its parts; None if
            unknown.
        settings: The operator's settings for this API (``webhooks serve --settings FILE``).
        related: Objects that the object refers to, as hub objects, by kind and name. None: it does
            not exist. No entry: it was not looked up, and rules skip it.
        user: Who sent the request.
        namespace: Of the object; empty if it is cluster-scoped.
        operation: Operation on the object.
        subresource: Subresource of the request; empty for the object itself.
        version: Version in which the object was sent, not that of the rules; empty if unknown.
    """

    dry_run: bool = False
    most_bytes: int | None = None
    settings: Mapping[str, JSON] = msgspec.field(default_factory=dict)
    related: Mapping[tuple[str, str], JSON | None] = msgspec.field(default_factory=dict)
    user: User = User()
    namespace: str = ""
    operation: str = "CREATE"
    subresource: str = ""
    version: str = ""

    def find(self, kind: str, name: str) -> JSON | None:
        """Return an object that ``Rules.related`` named; None if it does not exist.

        Raises:
            NotLookedUpError: if it was not looked up, so that its existence is unknown.
        """
        try:
            return self.related[kind, name]
        except KeyError:
            raise NotLookedUpError(
                f"expected {kind} {name} among the looked-up objects; name it in Rules.related, "
                "and serve with --look-up"
            ) from None


@dataclasses.dataclass(frozen=True)
class Rules:
    """Rules of a kind beyond its schema, as pure functions of hub objects; None if there are none.

    Attributes:
        default: Returns the object with defaults that depend on other fields; never mutates. It
            may only add: changing user input is an error, unless ``may_change``.
        validate: Returns the problems of an object, given the one that it replaces (None on
            creation), by hub paths. Unchanged problems are ignored (ratcheting).
        related: Returns the objects that ``validate`` needs in ``Facts.related``, by kind and
            name, in the namespace of the object: of the API's kinds, Leases and ConfigMaps.
        related_further: Returns the objects that these refer to, given those that ``related``
            named (None: it does not exist).
        read_anew: Kinds whose related objects are read on every request, because their existence
            matters; objects of other kinds are cached for some seconds.
        may_change: Whether ``default`` may change or remove user input.
        operations: Operations on which ``validate`` runs. On a DELETE, which must be listed here,
            both objects are the deleted one, and ``Facts.operation`` tells; problems that an
            unchanged update has too do not prevent the deletion.
        subresources: Subresources on which ``validate`` runs too: ``status``, and ``scale`` of
            the versions that have it (`kubectl scale`, autoscalers).
    """

    default: Callable[[JSON, Facts], JSON] | None = None
    validate: Callable[[JSON, JSON | None, Facts], Iterable[Problem]] | None = None
    related: Callable[[JSON], Iterable[tuple[str, str]]] | None = None
    related_further: (
        Callable[[JSON, Mapping[tuple[str, str], JSON | None]], Iterable[tuple[str, str]]] | None
    ) = None
    read_anew: tuple[str, ...] = ()
    may_change: bool = False
    operations: tuple[Operation, ...] = ("CREATE", "UPDATE")
    subresources: tuple[Subresource, ...] = ("scale",)

    def __post_init__(self) -> None:
        field_types.check(self)


NO_RULES: Final = Rules()
