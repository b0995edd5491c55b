"""Writes of live objects under another CRD: which it refuses, and which fields it drops.

The API server's own code decides (``schemagen.judge``). An object that is certainly valid, which
most are, is recognized in a fraction of that time by ``schemagen.checking``.
"""

import dataclasses
import enum
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from schemagen import checking, judge
from schemagen.checking import nodes, normalization
from schemagen.compat import kinds
from schemagen.model import markers
from schemagen.problems import JSON, Cause

_UNKNOWN: Final = re.compile(r'^unknown field "([^"]+)"$')
_NOT_RUN: Final = "<nil>"


class Write(enum.StrEnum):
    """A write of an object that a cluster has, in the words of messages."""

    UPDATE = "update"
    STATUS = "update of the status"
    CREATE = "creation"


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why a write would be refused."""

    write: Write
    causes: tuple[Cause, ...]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result for an object in a version.

    Attributes:
        refusals: A refused creation is listed only if the other writes are accepted (ratcheting).
        lost: Fields that the object loses, in API server notation.
        already: Those of the refusals for which the CRD to be replaced has the same fields refused.
    """

    refusals: tuple[Refusal, ...] = ()
    lost: tuple[str, ...] = ()
    already: tuple[Refusal, ...] = ()

    def compared(self, before: "Outcome") -> "Outcome":
        """Return the same with the refusals parted by those of the CRD to be replaced."""
        known = {
            (refusal.write, cause.field) for refusal in before.refusals for cause in refusal.causes
        }
        news = _parted(self.refusals, lambda *place: place not in known)
        return Outcome(news, self.lost, _parted(self.refusals, lambda *place: place in known))


def _parted(
    refusals: Iterable[Refusal], is_wanted: Callable[[Write, str], bool]
) -> tuple[Refusal, ...]:
    parted = (
        Refusal(
            refusal.write, tuple(c for c in refusal.causes if is_wanted(refusal.write, c.field))
        )
        for refusal in refusals
    )
    return tuple(refusal for refusal in parted if refusal.causes)


FINE: Final = Outcome()


class Writes:
    """Writes of unchanged objects under a CRD; for one thread.

    Args:
        definition: The CRD, which the API server has to accept.
        oracle: Its validation.
        replaced: The CRD that it replaces, by which an object may be invalid already.

    Raises:
        judge.JudgeError: with the API server's message, if it refuses the CRD.
    """

    def __init__(self, definition: JSON, oracle: judge.Judge, replaced: JSON | None = None) -> None:
        self._loaded = oracle.load(definition)
        self._oracle, self._replaced = oracle, replaced
        versions = definition["spec"]["versions"]
        self._versions: dict[str, dict[str, Any]] = {
            version["name"]: version for version in versions
        }
        self._storage = next(version for version in versions if version.get("storage"))
        self._is_converted = kinds.is_converted(definition)
        self._quick: dict[str, Quick] = {}

    def close(self) -> None:
        """Free the CRDs."""
        self._loaded.close()
        if "_before" in vars(self) and self._before is not None:
            self._before.close()

    @functools.cached_property
    def _before(self) -> "Writes | None":
        """The writes under the CRD to be replaced, which most objects do not need."""
        replaced = self._replaced
        if replaced is None or not self._oracle.check(replaced, strict=False).allowed:
            return None
        return Writes(replaced, self._oracle)

    def outcome(self, value: dict[str, JSON], version: str, *, is_brief: bool = False) -> Outcome:
        """Judge the writes of an object as it is read in a version, without any change.

        Args:
            value: The object.
            version: Its version.
            is_brief: Whether one reason to refuse an object is enough, in any words.
        """
        outcome = self._outcome(value, version, is_brief=is_brief)
        if not outcome.refusals:
            return outcome
        before = self._before
        if before is None or not before.serves(version):
            return outcome
        return outcome.compared(before.outcome(value, version))

    def serves(self, version: str) -> bool:
        """Return whether objects can be read in a version."""
        return version in self._versions and bool(self._versions[version].get("served"))

    def _outcome(self, value: dict[str, JSON], version: str, *, is_brief: bool) -> Outcome:
        quick = self._quick_of(version)
        certain, lost = quick.certain(value)
        if certain is Certain.EVERYTHING:
            return Outcome(lost=lost) if lost else FINE
        if is_brief and (brief := quick.brief(value, certain)) is not None:
            return dataclasses.replace(brief, lost=lost)
        refusals: list[Refusal] = []
        if certain is Certain.NOTHING:
            update = self._loaded.update(value, value, strict=False, stored=True)
            refusals += _refused(Write.UPDATE, update)
            lost = tuple(_lost(value, update))
            if self._has_status(value, version) and not (is_brief and refusals):
                status = self._loaded.update_status(value, value, strict=False)
                refusals += _refused(Write.STATUS, status)
        if not refusals:
            refusals += _refused(Write.CREATE, self._loaded.create(value, strict=False))
        return Outcome(tuple(refusals), lost)

    def same_as(self, version: str) -> str:
        """Return the first version in which objects are judged just as in this one."""
        if self._is_converted:
            return version
        own = self._versions[version]
        return next(
            name
            for name, other in self._versions.items()
            if other.get("served") and all(other.get(part) == own.get(part) for part in _JUDGED)
        )

    def _has_status(self, value: JSON, version: str) -> bool:
        subresources = self._versions[version].get("subresources") or {}
        return "status" in value and "status" in subresources

    def _quick_of(self, version: str) -> "Quick":
        if version not in self._quick:
            self._quick[version] = Quick(self._versions[version], self._between(version))
        return self._quick[version]

    def _between(self, version: str) -> JSON | None:
        """Return the storage version's schema, if objects of a version are pruned by it too."""
        if self._is_converted or self._storage["name"] == version:
            return None
        storage, own = _schema(self._storage), _schema(self._versions[version])
        return None if storage == own else storage


_JUDGED: Final = ("schema", "subresources")


class Certain(enum.Enum):
    """Knowledge about an object without asking the judge."""

    EVERYTHING = enum.auto()
    """Every write is accepted."""
    UPDATES = enum.auto()
    """Updates are accepted; a creation may be refused."""
    NOTHING = enum.auto()


class Quick:
    """Recognizes objects of a version that are certainly valid, at a fraction of a verdict's cost.

    Args:
        version: The version of the CRD.
        between: The schema of the storage version, if it prunes objects of this one too.
    """

    def __init__(self, version: dict[str, Any], between: JSON | None) -> None:
        subresources = version.get("subresources") or {}
        scale = subresources.get("scale")
        schema = _schema(version)
        self._has_status = "status" in subresources
        self._checker = checking.Checker(schema, is_root=True, scale=_scale(scale))
        self._node = nodes.compiled(schema, is_root=True)
        self._has_transitions = _has_transitions(self._node)
        self._between = None if between is None else nodes.compiled(between, is_root=True)

    def certain(self, value: JSON) -> tuple[Certain, tuple[str, ...]]:
        """Return what is certain about an object, and the fields that it loses then."""
        is_new_fine = self._checker.is_fine(value)
        if is_new_fine and not self._has_transitions and self._between is None:
            return Certain.EVERYTHING, ()
        read = self._read(value)
        if read is None:
            return Certain.NOTHING, ()
        lost = tuple(members_lost(value, read))
        if not self._checker.is_fine(read, read):
            return Certain.NOTHING, lost
        if is_new_fine or self._checker.is_fine(read):
            return Certain.EVERYTHING, lost
        return (Certain.UPDATES if _is_keyed(self._node, read) else Certain.NOTHING), lost

    def brief(self, value: JSON, certain: Certain) -> Outcome | None:
        """Return whether an object is refused, decided here; None if only the judge knows."""
        read = self._read(value)
        if read is None or self._checker.left:
            return None
        if certain is Certain.NOTHING:
            if causes := self._checker.transitions(read, read):
                return Outcome((Refusal(Write.UPDATE, tuple(causes)),))
            update = self._checker.update(read, read)
            if update.undecided:
                return None
            if update.causes:
                return Outcome((Refusal(Write.UPDATE, update.causes),))
        if self._has_status:  # dropped from what is created
            read.pop("status", None)
        created = self._checker.create(read)
        if created.undecided:
            return None
        return Outcome((Refusal(Write.CREATE, created.causes),) if created.causes else ())

    def _read(self, value: JSON) -> JSON | None:
        """Return an object as it is read, pruned and with defaults; None if that is uncertain."""
        try:
            read = normalization.taken_in(value, self._node, is_root=True)
            if self._between is not None:
                through = normalization.taken_in(read, self._between, is_root=True)
                if through != read:
                    return None
        except (normalization.UnreadableError, RecursionError):
            return None
        return _plain(read)


def _is_keyed(node: nodes.Node, value: JSON) -> bool:
    """Return whether the items of all list-maps have keys of their own.

    The API server does not take an item without them for an unchanged one.
    """
    if node.list_type == "map" and isinstance(value, list):
        keys = [_key(node, item) for item in value]
        if None in keys or len({*keys}) < len(keys):
            return False
    return all(_is_keyed(child, part) for child, part, _ in node.children(value))


def _key(node: nodes.Node, item: JSON) -> tuple[str, ...] | None:
    if not isinstance(item, dict) or any(item.get(key) is None for key in node.list_keys):
        return None
    return tuple(repr(item[key]) for key in node.list_keys)


def _plain(value: JSON) -> JSON:
    """Return JSON of plain dicts, the only ones that are recognized."""
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return [_plain(member) for member in value] if isinstance(value, list) else value


def _has_transitions(node: nodes.Node) -> bool:
    below = (*node.properties.values(), node.values, node.items)
    own = node.rules is not None and (node.rules.uses_old_self or bool(node.rules.left))
    return own or any(_has_transitions(child) for child in below if child is not None)


def _schema(version: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def _scale(scale: dict[str, str] | None) -> markers.Scale | None:
    if scale is None:
        return None
    return markers.Scale(
        scale["specReplicasPath"], scale["statusReplicasPath"], scale.get("labelSelectorPath")
    )


def _refused(write: Write, verdict: judge.Verdict) -> Iterator[Refusal]:
    if verdict.allowed:
        return
    causes = tuple(cause for cause in verdict.causes if cause.field != _NOT_RUN)
    yield Refusal(write, causes or (Cause("", verdict.message, ""),))


def _lost(value: JSON, update: judge.Verdict) -> Iterator[str]:
    """Yield the fields that an object loses when it is read or written.

    Of a refused one, only those are known that its own version does not have.
    """
    if update.allowed:
        yield from members_lost(value, update.object)
        return
    for warning in update.warnings:
        match = _UNKNOWN.match(warning)
        if match:
            yield match[1]


def members_lost(value: JSON, kept: JSON) -> Iterator[str]:
    """Yield the paths of an object's fields, outside metadata, that another one lacks."""
    for name, member in value.items():
        if name != "metadata":
            yield from _missing(member, kept.get(name), name)


def _missing(value: JSON, kept: JSON, path: str) -> Iterator[str]:
    """Yield the paths of a value's members that another one lacks; a null is none."""
    if kept is None:
        if value is not None:
            yield path
    elif isinstance(value, dict) and isinstance(kept, dict):
        for name, member in value.items():
            yield from _missing(member, kept.get(name), f"{path}.{name}")
    elif isinstance(value, list) and isinstance(kept, list):
        for index, member in enumerate(value):
            yield from _missing(
                member, kept[index] if index < len(kept) else None, f"{path}[{index}]"
            )
