"""A manifest reviewed as the API server would: by the schema, both webhooks, and what they answer.

Pure but for the judge, which is asked. The order is kube-apiserver's: strict decoding, defaults of
the schema, the mutating webhook, defaults again, the schema's bounds and rules, the validating one.
"""

import base64
import dataclasses
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec
import orjson

from schemagen import Api, Facts, Kind, Version, canonical, checking, crd, judge, manifests
from schemagen.problems import JSON, Cause, UserError
from schemagen.versions.converter import Converter
from webhooks import admission, patch, reviews

Operation: TypeAlias = Literal["CREATE", "UPDATE", "DELETE"]

_UNREADABLE: Final = 400
# `unknown field "spec.x"` and `duplicate field "spec.x"`; `spec.x: ...`.
_NAMED: Final = re.compile(r'field "([^"]+)"')
_LEADING: Final = re.compile(r"((?:spec|status|metadata)\b[^\s:]*): ")
# What the API server hands to webhooks besides: authentication.k8s.io/v1 UserInfo of `kubectl`.
DEFAULT_USER: Final = "kubernetes-admin"


@dataclasses.dataclass(frozen=True)
class Request:
    """How a manifest comes to the API server.

    Attributes:
        operation: None: an update of what is there, else a creation.
        subresource: ``status``; empty for the object itself.
        user: Who sends it.
        groups: Of the user.
        namespace: Where a manifest that does not say so goes.
        strict: Whether unknown and repeated fields are refused, as kubectl asks.
    """

    operation: Operation | None = None
    subresource: str = ""
    user: str = DEFAULT_USER
    groups: Sequence[str] = ("system:masters", "system:authenticated")
    namespace: str = "default"
    strict: bool = True


@dataclasses.dataclass(frozen=True)
class Reviewed:
    """What became of an object.

    Attributes:
        value: The object as it would be stored, in the version that was written; None if refused,
            or deleted.
        refusals: Lines that say why it is refused: ``FILE:LINE: KIND NAME: FIELD: MESSAGE``.
        warnings: Lines of what its writer is warned of.
    """

    value: dict[str, JSON] | None
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Reviewer:
    """Reviews manifests for an Api; those that were taken exist for those that follow.

    Args:
        api: The API.
        asked: The judge of schemas.
        facts: What rules know.
        request: How the manifests come to the API server.
    """

    def __init__(self, api: Api, asked: judge.Judge, facts: Facts, request: Request) -> None:
        self._api, self._judge, self._facts, self._request = api, asked, facts, request
        self._converter = Converter(api)
        self._loaded: dict[str, judge.Loaded] = {}
        self._taken: dict[tuple[str, str, str], JSON] = {}

    def review(
        self, document: manifests.Object, source: str, old: manifests.Object | None = None
    ) -> Reviewed | None:
        """Review an object, given the one that it is to replace; None if its kind is not ours."""
        if document.refusal:
            about = _About(document, source)
            return about.refused([Cause("", document.refusal, "apiVersion")])
        group = str(document.value.get("apiVersion")).rpartition("/")[0]
        kinds = {kind.name for kind in self._api}
        if group != self._api.group or document.value.get("kind") not in kinds:
            return None
        about = _About(document, source)
        found = self._api.find(document.value.get("apiVersion"), document.value.get("kind"))
        if found is None or not found[1].served:
            return about.refused([Cause("", _not_served(self._api, document.value), "apiVersion")])
        kind, version = found
        reviewed = self._reviewed(
            about, kind, version, None if old is None else self._stored(old, kind, version)
        )
        if reviewed.value is not None:
            self._take(kind, version, reviewed.value)
        return reviewed

    def _take(self, kind: Kind, version: Version, value: dict[str, JSON]) -> None:
        """Have an object for the rules of others, in the newest version."""
        hub = value
        if version is not kind.hub:
            hub = self._converter.way(kind, version.name, kind.hub.name).plain(value)
        metadata = value.get("metadata") or {}
        namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
        self._taken[kind.name, namespace, name] = hub

    def _stored(self, old: manifests.Object, kind: Kind, version: Version) -> dict[str, JSON]:
        """An object of the cluster as the API server would read it in a version."""
        found = self._api.find(old.value.get("apiVersion"), old.value.get("kind"))
        if found is None or found[0] is not kind:
            raise UserError(
                f"expected the old object to be a {kind.name} of {self._api.group}, got "
                f"{old.value.get('kind')} of {old.value.get('apiVersion')}"
            )
        value: dict[str, JSON] = checking.of_version(found[1]).create(self._placed(old, kind)).value
        if found[1] is version:
            return value
        there = self._converter.way(kind, found[1].name, version.name).plain(value)
        converted: dict[str, JSON] = checking.of_version(version).create(there).value
        return converted

    def _placed(self, document: manifests.Object, kind: Kind) -> dict[str, JSON]:
        """The object with the namespace that kubectl would send it to."""
        metadata = document.value.get("metadata")
        if kind.scope != "Namespaced" or not isinstance(metadata, dict) or "namespace" in metadata:
            return document.value
        return {
            **document.value,
            "metadata": {**metadata, "namespace": self._request.namespace},
        }

    def _reviewed(
        self, about: "_About", kind: Kind, version: Version, old: dict[str, JSON] | None
    ) -> Reviewed:
        value = self._placed(about.document, kind)
        is_new = old is None and not self._request.subresource
        operation = self._request.operation or ("CREATE" if is_new else "UPDATE")
        if operation == "UPDATE" and old is None:
            raise UserError(
                f"{about.place('')}: expected the object as it is in the cluster for an UPDATE, "
                "got none; give --old FILE"
            )
        if operation == "DELETE":
            change = _Change(kind, version, operation, old or value)
            return about.answered(self._answer(admission.validate, change, None), None)
        change = _Change(kind, version, operation, old if operation == "UPDATE" else None)
        return self._written(about, change, value)

    def _written(self, about: "_About", change: "_Change", value: dict[str, JSON]) -> Reviewed:
        """A creation or an update, in the API server's order."""
        checker = checking.of_version(change.version)
        decoded = self._judged(change, value, strict=self._request.strict)
        if decoded.code == _UNREADABLE:
            return about.judged(decoded)
        value = checker.create(value).value
        answer = self._answer(admission.mutate, change, value)
        if not answer["response"]["allowed"]:
            return about.answered(answer, None)
        value = checker.create(_patched(value, answer)).value
        verdict = self._judged(change, value, strict=False)
        if not verdict.allowed:
            return about.judged(verdict)
        answer = self._answer(admission.validate, change, value)
        warned = (*decoded.warnings, *answer["response"].get("warnings", ()))
        return about.answered(answer, value, warned)

    def _judged(self, change: "_Change", value: JSON, *, strict: bool) -> judge.Verdict:
        kind, old = change.kind, change.old
        if kind.name not in self._loaded:
            definition = crd.crd(self._api, kind, webhook=crd.NOWHERE)
            self._loaded[kind.name] = self._judge.load(definition)
        loaded = self._loaded[kind.name]
        if old is None:
            return loaded.create(value, strict=strict)
        if self._request.subresource == "status":
            return loaded.update_status(value, old, strict=strict)
        return loaded.update(value, old, strict=strict)

    def _answer(self, stage: admission.Stage, change: "_Change", value: JSON) -> JSON:
        review = _admission_review(self._api, change, self._request, value)
        request = reviews.admission_request(canonical.dumps(review))
        return admission.answer(stage, self._converter, request, self._known(request))

    def _known(self, request: reviews.AdmissionRequest) -> Facts:
        """What rules know, with the objects that they ask for and that were taken before."""
        subject = admission.opened(self._converter, request)
        if not isinstance(subject, admission.Subject):
            return self._facts
        names = admission.related(subject)
        found = self._among_taken(request.namespace, names)
        further = admission.related_further(subject, {name: found.get(name) for name in names})
        found |= self._among_taken(request.namespace, further)
        return msgspec.structs.replace(self._facts, related={**self._facts.related, **found})

    def _among_taken(
        self, namespace: str, names: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], JSON]:
        scopes = {kind.name: namespace if kind.scope == "Namespaced" else "" for kind in self._api}
        keys = {(kind, name): (kind, scopes.get(kind, ""), name) for kind, name in names}
        return {one: self._taken[key] for one, key in keys.items() if key in self._taken}


@dataclasses.dataclass(frozen=True)
class _Change:
    """What is done to an object; ``old`` is what it is to replace, or what is to go."""

    kind: Kind
    version: Version
    operation: Operation
    old: dict[str, JSON] | None


@dataclasses.dataclass(frozen=True)
class _About:
    """What lines are about."""

    document: manifests.Object
    source: str

    def place(self, field: str) -> str:
        return f"{self.source}:{self.document.line_of(field)}"

    def refused(self, causes: Sequence[Cause], warned: Sequence[str] = ()) -> Reviewed:
        """Refused for these causes; what names no field is about the whole object."""
        lines = [
            f"{self.place(cause.field)}: {self._subject}: "
            + ": ".join(part for part in (cause.field, cause.message) if part)
            for cause in causes
            if cause.field != "<nil>"  # says that rules were not run, which no line stands for
        ]
        return Reviewed(None, tuple(lines), self._warnings(warned))

    def judged(self, verdict: judge.Verdict) -> Reviewed:
        """Refused by the schema."""
        if verdict.causes:
            return self.refused(verdict.causes, verdict.warnings)
        line = f"{self.place(_field(verdict.message))}: {self._subject}: {verdict.message}"
        return Reviewed(None, (line,), self._warnings(verdict.warnings))

    def answered(self, answer: JSON, value: JSON, warned: Sequence[str] = ()) -> Reviewed:
        """Let in or refused by a webhook."""
        response = answer["response"]
        if response["allowed"]:
            return Reviewed(value, (), self._warnings(warned))
        status = response.get("status", {})
        causes = [
            Cause(one.get("reason", ""), one.get("message", ""), one.get("field", ""))
            for one in status.get("details", {}).get("causes", ())
        ]
        return self.refused(causes or [Cause("", status.get("message", ""), "")], warned)

    @property
    def _subject(self) -> str:
        metadata = self.document.value.get("metadata")
        name = metadata.get("name", "") if isinstance(metadata, dict) else ""
        return f"{self.document.value.get('kind')} {name}".strip()

    def _warnings(self, texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            f"{self.place(_field(text))}: warning: {self._subject}: {text}" for text in texts
        )


def _field(text: str) -> str:
    """The field that a sentence of the API server or a warning of ours is about; empty if none."""
    found = _NAMED.search(text) or _LEADING.match(text)
    return found[1] if found else ""


def _not_served(api: Api, value: Mapping[str, JSON]) -> str:
    served = ", ".join(
        api.api_version(version)
        for kind in api
        if kind.name == value.get("kind")
        for version in kind.versions
        if version.served
    )
    return f"expected one of the versions that are served ({served}), got {value.get('apiVersion')}"


def _patched(value: dict[str, JSON], answer: JSON) -> dict[str, JSON]:
    text = answer["response"].get("patch")
    if text is None:
        return value
    changed: dict[str, JSON] = patch.applied(value, orjson.loads(base64.b64decode(text)))
    return changed


def _admission_review(
    api: Api, change: _Change, asked: Request, value: dict[str, JSON] | None
) -> dict[str, Any]:
    """The review that the API server would send (admission.k8s.io/v1)."""
    kind, metadata = change.kind, ((value or change.old) or {}).get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    known = {"group": api.group, "version": change.version.name}
    request: dict[str, Any] = {
        "uid": str(uuid.uuid4()),
        "kind": {**known, "kind": kind.name},
        "resource": {**known, "resource": kind.plural},
        "requestKind": {**known, "kind": kind.name},
        "requestResource": {**known, "resource": kind.plural},
        "name": metadata.get("name", ""),
        "operation": change.operation,
        "userInfo": {"username": asked.user, "groups": [*asked.groups]},
        "object": value,
        "oldObject": change.old,
        "dryRun": False,
    }
    if kind.scope == "Namespaced":
        request["namespace"] = metadata.get("namespace", asked.namespace)
    if asked.subresource:
        request |= {"subResource": asked.subresource, "requestSubResource": asked.subresource}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def counterparts(
    new: Sequence[manifests.Object], old: Sequence[manifests.Object]
) -> Iterator[tuple[manifests.Object, manifests.Object | None]]:
    """Each object with the one of the same kind and name that it is to replace.

    One object each belong together whatever their names are.
    """
    if len(new) == len(old) == 1:
        yield new[0], old[0]
        return
    known = {_identity(one): one for one in old}
    for one in new:
        yield one, known.get(_identity(one))


def _identity(document: manifests.Object) -> tuple[str, ...]:
    metadata = document.value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    names = (metadata.get("namespace", ""), metadata.get("name", ""))
    return (str(document.value.get("kind")), *map(str, names))
