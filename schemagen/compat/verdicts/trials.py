"""Ask the judge about objects of a version before and now, for each audience.

``Evidence`` that an audience is affected is an object, or an update, that is answered otherwise:

- a writer's request was accepted and is refused, or something else is stored for it;
- a reader receives what was never served before, or a field of a stored object no longer;
- a stored object loses a field, or an update of something else is refused for what it holds.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator
from typing import Final

from schemagen import canonical, judge
from schemagen.compat.changes.changes import Witness
from schemagen.compat.verdicts import edits
from schemagen.problems import JSON, Cause
from schemagen.schema.keywords import Schema

_UNKNOWN: Final = re.compile(r'unknown field "([^"]*)"')
_IN_MESSAGE: Final = re.compile(
    r'Checked value must be .* in (?P<field>\S+)$|"(?P<whole>[^"]+)" must (?:not )?validate '
)
_NAME: Final = "example"
_OWN: Final = ("apiVersion", "kind", "metadata")
_ANYTHING: Final[Schema] = {"x-kubernetes-preserve-unknown-fields": True}

Concerns = Callable[[tuple[str, ...]], bool]


@dataclasses.dataclass(frozen=True)
class Evidence:
    """An answer that differs.

    Attributes:
        fields: The fields that it differs for, as the API server writes them.
        witness: The request.
    """

    fields: tuple[str, ...]
    witness: Witness


@dataclasses.dataclass(frozen=True)
class Answer:
    """The answer to writing an object.

    Attributes:
        request: What was answered: ``create`` or ``update status``.
        allowed: Whether it was accepted.
        fields: The fields that it was refused for.
        message: The refusal.
        object: What is stored, if accepted.
        sent: The last object that was sent.
        old: What it replaces.
    """

    request: str
    allowed: bool
    fields: tuple[str, ...] = ()
    message: str = ""
    object: JSON = None
    sent: JSON = None
    old: JSON = None


class Side:
    """A version of a CRD, before or now."""

    def __init__(self, oracle: judge.Judge, crd: JSON) -> None:
        version = crd["spec"]["versions"][0]
        self.schema: Schema = version["schema"]["openAPIV3Schema"]
        self.version: str = version["name"]
        self.has_status = "status" in (version.get("subresources") or {})
        self._api_version = f"{crd['spec']['group']}/{version['name']}"
        self._kind = crd["spec"]["names"]["kind"]
        self._namespaced = crd["spec"]["scope"] == "Namespaced"
        self._loaded = oracle.load(crd)
        self._answers: dict[tuple[bytes, bool], Answer] = {}

    def close(self) -> None:
        """Free the CRD."""
        self._loaded.close()

    def whole(self, value: JSON) -> JSON:
        """Return an object with its type and name."""
        metadata = {"name": _NAME, **({"namespace": "default"} if self._namespaced else {})}
        given = value.get("metadata")
        if isinstance(given, dict):
            metadata |= {key: given[key] for key in ("name", "labels") if key in given}
        rest = {key: child for key, child in value.items() if key not in _OWN}
        return {"apiVersion": self._api_version, "kind": self._kind, "metadata": metadata, **rest}

    def write(self, value: JSON, *, strict: bool) -> Answer:
        """Create an object, and write its status as well if that is a subresource."""
        key = (canonical.dumps(value), strict)
        if key not in self._answers:
            self._answers[key] = self._written(value, strict=strict)
        return self._answers[key]

    def _written(self, value: JSON, *, strict: bool) -> Answer:
        sent = self.whole(value)
        verdict = self._loaded.create(sent, strict=strict, stored=True)
        if not verdict.allowed or not self.has_status or "status" not in value:
            return _answer("create", verdict, sent)
        base = verdict.object
        sent = {**base, "status": value["status"]}
        verdict = self._loaded.update_status(sent, base, strict=strict, stored=True)
        return _answer("update status", verdict, sent, base)

    def update(self, value: JSON, old: JSON) -> Answer:
        """Update a stored object; its status through the subresource if that is what changes."""
        value, old = ({**each, "apiVersion": self._api_version} for each in (value, old))
        if self.has_status and value.get("status") != old.get("status"):
            verdict = self._loaded.update_status(value, old, strict=False, stored=True)
            return _answer("update status", verdict, value, old)
        verdict = self._loaded.update(value, old, strict=False, stored=True)
        return _answer("update", verdict, value, old)

    def read(self, stored: JSON) -> JSON | None:
        """Return a stored object as served: pruned, with defaults; None if nothing can tell."""
        answer = self.update(stored, stored)
        return answer.object if answer.allowed else None


def _field(cause: Cause) -> str:
    """Return the field of a cause; for formats of numbers and junctors the message has it."""
    if cause.field == "<nil>" and (named := _IN_MESSAGE.search(cause.message)) is not None:
        return named["field"] or named["whole"]
    return cause.field


def _answer(request: str, verdict: judge.Verdict, sent: JSON, old: JSON = None) -> Answer:
    causes = [field for cause in verdict.causes if (field := _field(cause)) != "<nil>"]
    unknown = _UNKNOWN.findall(verdict.message) if not verdict.allowed else []
    return Answer(
        request,
        verdict.allowed,
        tuple(dict.fromkeys((*causes, *unknown))),
        verdict.message,
        verdict.object,
        sent,
        old,
    )


class Trial:
    """Both sides of a version."""

    def __init__(self, old: Side, new: Side) -> None:
        self.old, self.new = old, new

    def close(self) -> None:
        """Free both CRDs."""
        self.old.close()
        self.new.close()

    # ------------------------------------------------------------------------------------ writers

    def writers(self, value: JSON) -> Evidence | None:
        """Return whether a request was accepted, and is refused or means something else."""
        before = self.old.write(value, strict=True)
        if not before.allowed:
            return None
        after = self.new.write(value, strict=True)
        if not after.allowed:
            return Evidence(after.fields, self._witness(after, "accepted", after.message))
        fields = different(self.old.schema, before.object, after.object)
        if not fields:
            return None
        return Evidence(fields, self._witness(after, before.object, after.object))

    def writers_update(self, value: JSON, other: JSON) -> Evidence | None:
        """Return whether an update from one object to another was accepted and is refused."""
        stored = self.old.write(value, strict=True)
        if not stored.allowed or not self.new.write(value, strict=True).allowed:
            return None
        changed = {**stored.object, **{k: v for k, v in other.items() if k not in _OWN}}
        if not self.old.update(changed, stored.object).allowed:
            return None
        after = self.new.update(changed, stored.object)
        if after.allowed or not self.new.write(changed, strict=True).allowed:
            return None
        return Evidence(after.fields, self._witness(after, "accepted", after.message))

    # ------------------------------------------------------------------------------------ readers

    def readers(self, value: JSON) -> Evidence | None:
        """Return whether an object is served that never was, or lacks a field that it had."""
        return self._newly_served(value) or self._no_longer_served(value)

    def _newly_served(self, value: JSON) -> Evidence | None:
        served = self.new.write(value, strict=True)
        if not served.allowed:
            return None
        before = self.old.write(bare(served.object), strict=False)
        witness = Witness(
            "read", object=served.object, after=served.object, version=self.new.version
        )
        if not before.allowed:
            # What the storage version drops is missing in the answer, and refused in either.
            if not self.new.write(bare(served.object), strict=False).allowed:
                return None
            text = f"never served: {before.message}"
            return Evidence(before.fields, dataclasses.replace(witness, before=text))
        fields = different(self.old.schema, before.object, served.object)
        if not fields:
            return None
        return Evidence(fields, dataclasses.replace(witness, before=before.object))

    def _no_longer_served(self, value: JSON) -> Evidence | None:
        stored = self.old.write(value, strict=True)
        if not stored.allowed:
            return None
        after = self.new.read(stored.object)
        if after is None:
            return None
        fields = tuple(lost(stored.object, after, nulls=False))
        if not fields:
            return None
        witness = Witness(
            "read",
            object=stored.object,
            before=stored.object,
            after=after,
            version=self.new.version,
        )
        return Evidence(fields, witness)

    # ------------------------------------------------------------------------------------- stored

    def stored(self, value: JSON, concerns: Concerns = bool) -> Evidence | None:
        """Return whether a stored object loses a field, or keeps updates from being accepted.

        Args:
            value: The object.
            concerns: Whether fields that do not fit are worth edits around them.
        """
        stored = self.old.write(value, strict=True)
        if not stored.allowed:
            return None
        fits = self.new.write(bare(stored.object), strict=False)
        evidence = self._refused_update(stored.object, fits, concerns)
        if evidence is not None:
            return evidence
        after = self.new.read(stored.object)
        if after is None:
            return None
        fields = tuple(lost(stored.object, after, nulls=True))
        if not fields:
            return None
        witness = Witness(
            "read",
            object=stored.object,
            before=stored.object,
            after=after,
            version=self.new.version,
        )
        return Evidence(fields, witness)

    def _refused_update(self, stored: JSON, fits: Answer, concerns: Concerns) -> Evidence | None:
        labelled = edits.labelled(stored)
        after = self.new.update(labelled, stored)
        if not after.allowed and self.old.update(labelled, stored).allowed:
            return Evidence(after.fields, self._witness(after, "accepted", after.message))
        if fits.allowed or not concerns(fits.fields):
            return None
        for edited in edits.of(stored, self.new.schema, self.old.schema):
            after = self.new.update(edited, stored)
            # It introduces nothing that did not fit before.
            if after.allowed or not set(after.fields) <= set(fits.fields):
                continue
            # It is an update of something else.
            touched = different(_ANYTHING, stored, edited)
            if set(touched) & set(after.fields):
                continue
            if self.old.update(edited, stored).allowed:
                return Evidence(after.fields, self._witness(after, "accepted", after.message))
        return None

    def _witness(self, answer: Answer, before: JSON, after: JSON) -> Witness:
        return Witness(
            answer.request, before, after, answer.sent, answer.old, version=self.new.version
        )


def bare(value: JSON) -> JSON:
    """Return an object without what the API server gives it."""
    metadata = value.get("metadata") or {}
    kept = {key: metadata[key] for key in ("name", "labels") if key in metadata}
    return {**value, "metadata": kept}


def different(schema: Schema, before: JSON, after: JSON, path: str = "") -> tuple[str, ...]:
    """Return the fields that a schema knows and that two stored objects differ in."""
    if not path:
        before, after = ({**each, "metadata": None} for each in (before, after))
    return tuple(_different(schema, before, after, path))


def _different(schema: Schema, before: JSON, after: JSON, path: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        properties, rest = schema.get("properties") or {}, schema.get("additionalProperties")
        for name in dict.fromkeys((*before, *after)):
            child = f"{path}.{name}" if path else name
            is_known = (
                name in before
                or name in properties
                or isinstance(rest, dict)
                or schema.get("x-kubernetes-preserve-unknown-fields")
            )
            if name in before and name in after:
                node = properties.get(name, rest if isinstance(rest, dict) else _open(schema))
                yield from _different(node, before[name], after[name], child)
            elif is_known:
                yield child
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _different(
                schema.get("items") or _open(schema), one, other, f"{path}[{index}]"
            )
    elif not _is_same(before, after):
        yield path


def _open(schema: Schema) -> Schema:
    """Return the schema of a field that is not declared."""
    return _ANYTHING if schema.get("x-kubernetes-preserve-unknown-fields") else {}


def _is_same(one: JSON, other: JSON) -> bool:
    return one == other and (isinstance(one, bool) == isinstance(other, bool))


def lost(before: JSON, after: JSON, path: str = "", *, nulls: bool) -> Iterator[str]:
    """Yield the fields of an object that another one lacks.

    Args:
        before: The object.
        after: The other one.
        path: The field that both are.
        nulls: Whether a null that is gone is a loss.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        own = _OWN if not path else ()
        for name in (name for name in before if name not in own):
            field = f"{path}.{name}" if path else name
            if name in after:
                yield from lost(before[name], after[name], field, nulls=nulls)
            elif before[name] is not None or nulls:
                yield field
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from lost(one, other, f"{path}[{index}]", nulls=nulls)
    elif not _is_same(before, after) and (before is not None or nulls):
        yield path
