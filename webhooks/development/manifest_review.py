"""Review a manifest as the API server would: schema, both webhooks and their responses.

Pure except for the judge. The order is kube-apiserver's: strict decoding, schema defaults, the
mutating webhook, defaults again, schema validation and rules, the validating webhook.
"""

import dataclasses
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

from schemagen import Api, Facts, Kind, Version, canonical, checking, judge
from schemagen.crd import definitions
from schemagen.problems import JSON, Cause, UserError
from schemagen.versions.converter import Converter
from schemagen.yaml import manifests
from webhooks.review import admission, patch, reviews
from webhooks.review.verdicts import Admitted, Allowed, Denied, Failed

Operation: TypeAlias = Literal["CREATE", "UPDATE", "DELETE"]

_UNREADABLE: Final = 400
# `unknown field "spec.x"` and `duplicate field "spec.x"`; `spec.x: ...`.
_NAMED: Final = re.compile(r'field "([^"]+)"')
_LEADING: Final = re.compile(r"((?:spec|status|metadata)\b[^\s:]*): ")
# User of the request (authentication.k8s.io/v1 UserInfo), as with `kubectl` of an administrator.
DEFAULT_USER: Final = "kubernetes-admin"


@dataclasses.dataclass(frozen=True)
class Request:
    """Options of the simulated request.

    Attributes:
        operation: None: an update if there is an old object, otherwise a creation.
        subresource: ``status``; empty for the object itself.
        user: User name of the request.
        groups: Groups of the user.
        namespace: Namespace for manifests that do not set one.
        strict: Refuse unknown and duplicate fields, as kubectl requests.
    """

    operation: Operation | None = None
    subresource: str = ""
    user: str = DEFAULT_USER
    groups: Sequence[str] = ("system:masters", "system:authenticated")
    namespace: str = "default"
    strict: bool = True


@dataclasses.dataclass(frozen=True)
class Reviewed:
    """Outcome of reviewing an object.

    Attributes:
        value: The object as it would be stored, in the version that was written; None if refused
            or deleted.
        refusals: Reasons of a refusal: ``FILE:LINE: KIND NAME: FIELD: MESSAGE``.
        warnings: Warnings for the client.
    """

    value: dict[str, JSON] | None
    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class Reviewer:
    """Reviews manifests for an Api; accepted objects are visible to the reviews that follow.

    Args:
        api: The API.
        checker: Validates objects against schemas.
        facts: Facts that rules know.
        request: Options of the simulated requests.
    """

    def __init__(self, api: Api, checker: judge.Judge, facts: Facts, request: Request) -> None:
        self._api, self._judge, self._facts, self._request = api, checker, facts, request
        self._converter = Converter(api)
        self._loaded: dict[str, judge.Loaded] = {}
        self._accepted: dict[tuple[str, str, str], JSON] = {}

    def review(
        self, document: manifests.Object, source: str, old: manifests.Object | None = None
    ) -> Reviewed | None:
        """Review an object and the one that it replaces; None if its kind is not of this API."""
        if document.refusal:
            report = _Report(document, source)
            return report.refused([Cause("", document.refusal, "apiVersion")])
        group = str(document.value.get("apiVersion")).rpartition("/")[0]
        kinds = {kind.name for kind in self._api}
        if group != self._api.group or document.value.get("kind") not in kinds:
            return None
        report = _Report(document, source)
        match = self._api.find(document.value.get("apiVersion"), document.value.get("kind"))
        if match is None or not match[1].served:
            return report.refused([Cause("", _not_served(self._api, document.value), "apiVersion")])
        kind, version = match
        reviewed = self._reviewed(
            report, kind, version, None if old is None else self._stored(old, kind, version)
        )
        if reviewed.value is not None:
            self._accept(kind, version, reviewed.value)
        return reviewed

    def _accept(self, kind: Kind, version: Version, value: dict[str, JSON]) -> None:
        """Make an object visible to later reviews, in the hub version."""
        hub = value
        if version is not kind.hub:
            hub = self._converter.way(kind, version.name, kind.hub.name).plain(value)
        metadata = value.get("metadata") or {}
        namespace, name = metadata.get("namespace", ""), metadata.get("name", "")
        self._accepted[kind.name, namespace, name] = hub

    def _stored(self, old: manifests.Object, kind: Kind, version: Version) -> dict[str, JSON]:
        """Return the old object converted to a version."""
        match = self._api.find(old.value.get("apiVersion"), old.value.get("kind"))
        if match is None or match[0] is not kind:
            raise UserError(
                f"expected the old object to be a {kind.name} of {self._api.group}, got "
                f"{old.value.get('kind')} of {old.value.get('apiVersion')}"
            )
        value: dict[str, JSON] = checking.of_version(match[1]).create(self._placed(old, kind)).value
        if match[1] is version:
            return value
        there = self._converter.way(kind, match[1].name, version.name).plain(value)
        converted: dict[str, JSON] = checking.of_version(version).create(there).value
        return converted

    def _placed(self, document: manifests.Object, kind: Kind) -> dict[str, JSON]:
        """Return the object with the default namespace, as kubectl sets it."""
        metadata = document.value.get("metadata")
        if kind.scope != "Namespaced" or not isinstance(metadata, dict) or "namespace" in metadata:
            return document.value
        return {
            **document.value,
            "metadata": {**metadata, "namespace": self._request.namespace},
        }

    def _reviewed(
        self, report: "_Report", kind: Kind, version: Version, old: dict[str, JSON] | None
    ) -> Reviewed:
        value = self._placed(report.document, kind)
        is_new = old is None and not self._request.subresource
        operation = self._request.operation or ("CREATE" if is_new else "UPDATE")
        if operation == "UPDATE" and old is None:
            raise UserError(
                f"{report.place('')}: expected the current object in the cluster for an UPDATE, "
                "got none; give --old FILE"
            )
        if operation == "DELETE":
            change = _Change(kind, version, operation, old or value)
            return report.decided(self._decided(admission.validate, change, None), None)
        change = _Change(kind, version, operation, old if operation == "UPDATE" else None)
        return self._written(report, change, value)

    def _written(self, report: "_Report", change: "_Change", value: dict[str, JSON]) -> Reviewed:
        """Review a creation or an update in the API server's order."""
        checker = checking.of_version(change.version)
        decoded = self._judged(change, value, strict=self._request.strict)
        if decoded.code == _UNREADABLE:
            return report.judged(decoded)
        value = checker.create(value).value
        mutated = self._decided(admission.mutate, change, value)
        if not isinstance(mutated, Allowed):
            return report.decided(mutated, None)
        value = checker.create(patch.applied(value, mutated.patch)).value
        judged = self._judged(change, value, strict=False)
        if not judged.allowed:
            return report.judged(judged)
        validated = self._decided(admission.validate, change, value)
        warned = () if isinstance(validated, Failed) else validated.warnings
        return report.decided(validated, value, (*decoded.warnings, *warned))

    def _judged(self, change: "_Change", value: JSON, *, strict: bool) -> judge.Verdict:
        kind, old = change.kind, change.old
        if kind.name not in self._loaded:
            definition = definitions.crd(self._api, kind, webhook=definitions.NOWHERE)
            self._loaded[kind.name] = self._judge.load(definition)
        loaded = self._loaded[kind.name]
        if old is None:
            return loaded.create(value, strict=strict)
        if self._request.subresource == "status":
            return loaded.update_status(value, old, strict=strict)
        return loaded.update(value, old, strict=strict)

    def _decided(self, stage: admission.Stage, change: "_Change", value: JSON) -> Admitted:
        review = _admission_review(self._api, change, self._request, value)
        request = reviews.admission_request(canonical.dumps(review))
        return admission.decide(stage, self._converter, request, self._known(request))

    def _known(self, request: reviews.AdmissionRequest) -> Facts:
        """Return the facts, with the related objects that rules read and that were accepted."""
        subject = admission.opened(self._converter, request)
        if not isinstance(subject, admission.Subject):
            return self._facts
        names = admission.related(subject)
        related = self._accepted_of(request.namespace, names)
        further = admission.related_further(subject, {name: related.get(name) for name in names})
        related |= self._accepted_of(request.namespace, further)
        return msgspec.structs.replace(self._facts, related={**self._facts.related, **related})

    def _accepted_of(
        self, namespace: str, names: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], JSON]:
        scopes = {kind.name: namespace if kind.scope == "Namespaced" else "" for kind in self._api}
        keys = {(kind, name): (kind, scopes.get(kind, ""), name) for kind, name in names}
        return {name: self._accepted[key] for name, key in keys.items() if key in self._accepted}


@dataclasses.dataclass(frozen=True)
class _Change:
    """An operation on an object; ``old`` is the object that is replaced or deleted."""

    kind: Kind
    version: Version
    operation: Operation
    old: dict[str, JSON] | None


@dataclasses.dataclass(frozen=True)
class _Report:
    """Formats the findings of a document."""

    document: manifests.Object
    source: str

    def place(self, field: str) -> str:
        return f"{self.source}:{self.document.line_of(field)}"

    def refused(self, causes: Sequence[Cause], warned: Sequence[str] = ()) -> Reviewed:
        """Refuse for these causes; a cause without a field concerns the object as a whole."""
        lines = [
            f"{self.place(cause.field)}: {self._subject}: "
            + ": ".join(part for part in (cause.field, cause.message) if part)
            for cause in causes
            if cause.field != "<nil>"  # only says that rules were not run
        ]
        return Reviewed(None, tuple(lines), self._warnings(warned))

    def judged(self, verdict: judge.Verdict) -> Reviewed:
        """Refuse with the verdict of the schema."""
        if verdict.causes:
            return self.refused(verdict.causes, verdict.warnings)
        line = f"{self.place(_field(verdict.message))}: {self._subject}: {verdict.message}"
        return Reviewed(None, (line,), self._warnings(verdict.warnings))

    def decided(self, verdict: Admitted, value: JSON, warned: Sequence[str] = ()) -> Reviewed:
        """Report a webhook's verdict."""
        match verdict:
            case Allowed():
                return Reviewed(value, (), self._warnings(warned))
            case Denied():
                return self.refused(verdict.causes, warned)
            case Failed():
                return self.refused([Cause("", verdict.message, "")], warned)

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
    """Return the field that a message of the API server or a warning names, or an empty string."""
    match = _NAMED.search(text) or _LEADING.match(text)
    return match[1] if match else ""


def _not_served(api: Api, value: Mapping[str, JSON]) -> str:
    served = ", ".join(
        api.api_version(version)
        for kind in api
        if kind.name == value.get("kind")
        for version in kind.versions
        if version.served
    )
    return f"expected a served version ({served}), got {value.get('apiVersion')}"


def _admission_review(
    api: Api, change: _Change, options: Request, value: dict[str, JSON] | None
) -> dict[str, Any]:
    """Build the review that the API server would send (admission.k8s.io/v1)."""
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
        "userInfo": {"username": options.user, "groups": [*options.groups]},
        "object": value,
        "oldObject": change.old,
        "dryRun": False,
    }
    if kind.scope == "Namespaced":
        request["namespace"] = metadata.get("namespace", options.namespace)
    if options.subresource:
        request |= {"subResource": options.subresource, "requestSubResource": options.subresource}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def counterparts(
    new: Sequence[manifests.Object], old: Sequence[manifests.Object]
) -> Iterator[tuple[manifests.Object, manifests.Object | None]]:
    """Pair each object with the old object of the same kind and name.

    A single new and a single old object are paired whatever their names are.
    """
    if len(new) == len(old) == 1:
        yield new[0], old[0]
        return
    known = {_identity(document): document for document in old}
    for document in new:
        yield document, known.get(_identity(document))


def _identity(document: manifests.Object) -> tuple[str, ...]:
    metadata = document.value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    names = (metadata.get("namespace", ""), metadata.get("name", ""))
    return (str(document.value.get("kind")), *map(str, names))
