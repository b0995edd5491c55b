"""Validate manifests by the API server's own rules, for CI: a finding for each problem."""

import codecs
import dataclasses
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from schemagen import canonical, judge
from schemagen.compat import api_rules, kinds
from schemagen.compat.findings import Finding, Level
from schemagen.compat.sources import Definition
from schemagen.crd import definitions
from schemagen.model import registry
from schemagen.problems import JSON
from schemagen.yaml import manifests

# The field of a warning that names one: `unknown field "spec.x"`, `metadata.finalizers: "x": ...`.
_FIELD = re.compile(r'^\w+ field "([^"]+)"$|^(metadata\.\w+): |^\.(metadata\.\w+) ')

# k8s.io/apiserver, server.Config.MaxRequestBodyBytes.
MAX_BODY_BYTES = 3 * 1024 * 1024
# Maximum growth from characters that Go's JSON encoder escapes and ours does not.
_ESCAPED = ((b"<", 5), (b">", 5), (b"&", 5), ("\u2028".encode(), 3), ("\u2029".encode(), 3))
_MAX_GROWTH = 6


RULES = {
    "invalid": "The API server refuses an object.",
    "no-match": "No CRD has the kind, or serves the version.",
    "type-meta": "kubectl does not send an object without apiVersion and kind.",
    "too-large": "A request is larger than the API server reads.",
    "old-version": "The old object is of a version that only a webhook converts.",
    "warning": "The API server accepts an object with a warning.",
    "repeated-key": "kubectl silently sends the last value of a repeated key.",
    "not-utf8": "kubectl silently replaces bytes that are not UTF-8.",
    **api_rules.RULES,
}


@dataclasses.dataclass(frozen=True)
class Options:
    """How objects are validated.

    Attributes:
        strict: Whether unknown and duplicate fields are refused, as kubectl requests.
        has_hints: Whether an object without a matching kind is told what kinds there are.
        rules: What an Api refuses beyond its schemas; None does not count.
        old: The objects that are in the cluster, by identity: theirs are updates.
    """

    strict: bool = True
    has_hints: bool = False
    rules: api_rules.ApiRules | None = None
    old: Mapping["Identity", dict[str, JSON]] = dataclasses.field(default_factory=dict)


Identity: TypeAlias = tuple[str, str, str, str]
"""Group, kind, namespace and name."""


def identity(value: dict[str, JSON]) -> Identity:
    """Return what an object has in common with the one that it replaces."""
    metadata = value.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    group = str(value.get("apiVersion")).rpartition("/")[0]
    namespace, name = metadata.get("namespace") or "default", metadata.get("name") or ""
    return group, str(value.get("kind")).lower(), str(namespace), str(name)


class Report:
    """Running totals of a validation.

    Attributes:
        taken: Objects that the API server would accept.
        refused: Objects that it would refuse.
        foreign: Objects of kinds that no CRD has.
        passed: Where the accepted objects are, and what they are.
    """

    def __init__(
        self,
        api: registry.Api | Sequence[Definition],
        oracle: judge.Judge,
        options: Options | None = None,
        *,
        strict: bool = True,
    ) -> None:
        """Prepare a validation.

        Args:
            api: An Api, or CRDs.
            oracle: The API server's validation.
            options: How to validate; by default only ``strict`` counts.
            strict: Without options, whether unknown and duplicate fields are refused.
        """
        self._judge, self._options = oracle, options or Options(strict=strict)
        self._api = api if isinstance(api, registry.Api) else None
        if isinstance(api, registry.Api):
            self._definitions = {
                api.crd_name(kind): functools.partial(_generated, api, kind) for kind in api
            }
            outlines = [_outline(api, kind) for kind in api]
        else:
            self._definitions = {item.name: functools.partial(_value, item) for item in api}
            outlines = [item.value for item in api]
        self._kinds = kinds.Kinds(outlines)
        self._loaded: dict[str, judge.Loaded] = {}
        self.taken = self.refused = self.foreign = 0
        self.passed: list[str] = []

    @property
    def summary(self) -> str:
        """Return the counts in a line."""
        foreign = f", {self.foreign} of other kinds skipped" if self.foreign else ""
        return f"{self.taken} would be accepted, {self.refused} refused{foreign}"

    def lines(self, content: bytes, source: str) -> Iterator[str]:
        """Return the findings as text: ``FILE:LINE: KIND NAME: …``."""
        return (finding.line_text for finding in self.findings(content, source))

    def findings(self, content: bytes, source: str) -> Iterator[Finding]:
        """Yield each warning and each reason to refuse an object of a manifest.

        Raises:
            manifests.ManifestError: if the text cannot be parsed.
            judge.JudgeError: if no judge is available, or the API server refuses a CRD.
        """
        yield from _undecodable(content, source)
        for item in manifests.read(content, source):
            kind = None if item.refusal else self._kinds.find(item.value)
            if item.refusal:
                yield self._refused(item, source, "type-meta", item.refusal)
            elif kind is not None:
                yield from self._answer(item, kind, source)
            elif self._kinds.is_known_group(item.value):
                yield self._refused(item, source, "no-match", self._no_match(item.value))
            else:
                self.foreign += 1

    def _refused(self, item: manifests.Object, source: str, rule: str, message: str) -> Finding:
        self.refused += 1
        return Finding(rule, Level.ERROR, message, source, item.line, item.subject)

    def _no_match(self, value: dict[str, JSON]) -> str:
        message = f'no matches for kind "{value["kind"]}" in version "{value["apiVersion"]}"'
        return f"{message}; {self._kinds.hint(value)}" if self._options.has_hints else message

    def _answer(self, item: manifests.Object, kind: kinds.Served, source: str) -> Iterator[Finding]:
        """Yield the response of kubectl and the API server to an object."""
        if _body_size(item.value, kind) > MAX_BODY_BYTES:
            message = f"Request entity too large: limit is {MAX_BODY_BYTES}"
            yield self._refused(item, source, "too-large", message)
            return
        old = self._options.old.get(identity(item.value))
        if old is not None and (old := self._converted(old, kind)) is None:
            message = (
                f"expected the old object in {kind.api_version}, or one that can be converted to "
                "it without a webhook; write it in that version"
            )
            yield self._refused(item, source, "old-version", message)
            return
        verdict = self._verdict(item.value, old, kind)
        objections = [*self._objections(verdict.object, old)] if verdict.allowed else []
        is_taken = verdict.allowed and all(o.rule == "not-run" for o in objections)
        self.taken += is_taken
        self.refused += not is_taken
        found = [*_of_verdict(item, verdict, source), *_of_objections(item, objections, source)]
        yield from found
        if is_taken:
            self.passed.append(case_of(item.subject, source))
            if self._options.rules is not None:
                self._options.rules.accept(verdict.object)

    def _verdict(
        self, value: dict[str, JSON], old: dict[str, JSON] | None, kind: kinds.Served
    ) -> judge.Verdict:
        loaded, strict = self._of(kind), self._options.strict
        has_rules = self._options.rules is not None
        if old is None:
            return loaded.create(value, strict=strict, stored=has_rules)
        return loaded.update(value, old, strict=strict, stored=has_rules)

    def _objections(
        self, value: JSON, old: dict[str, JSON] | None
    ) -> Iterator[api_rules.Objection]:
        if self._options.rules is not None:
            yield from self._options.rules.objections(value, old)

    def _converted(self, old: dict[str, JSON], kind: kinds.Served) -> dict[str, JSON] | None:
        """Return the old object in the version of the new one; None if that is not known."""
        if old["apiVersion"] == kind.api_version:
            return old
        if self._api is not None:
            rules = self._options.rules or api_rules.ApiRules(self._api)
            return rules.convert(old, kind.api_version)
        return None if kind.is_converted else {**old, "apiVersion": kind.api_version}

    def _of(self, kind: kinds.Served) -> judge.Loaded:
        if kind.name not in self._loaded:
            self._loaded[kind.name] = self._judge.load(self._definitions[kind.name]())
        return self._loaded[kind.name]


def case_of(subject: str, source: str) -> str:
    """Return the name of an object's JUnit test."""
    return f"{source}: {subject}" if subject else source


def _generated(api: registry.Api, kind: registry.Kind) -> JSON:
    return definitions.crd(api, kind, webhook=definitions.NOWHERE)


def _value(definition: Definition) -> JSON:
    return definition.value


def _outline(api: registry.Api, kind: registry.Kind) -> dict[str, Any]:
    """Return what identifies a kind's CRD, without its schemas."""
    versions = [{"name": item.name, "served": item.served} for item in kind.versions]
    strategy = "Webhook" if len(versions) > 1 else "None"
    return {
        "metadata": {"name": api.crd_name(kind)},
        "spec": {
            "group": api.group,
            "names": {"kind": kind.name},
            "scope": kind.scope,
            "conversion": {"strategy": strategy},
            "versions": versions,
        },
    }


def _undecodable(content: bytes, source: str) -> Iterator[Finding]:
    """Return a warning for bytes that kubectl silently replaces."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = f"0x{content[error.start]:02x}"
        message = f"the byte {byte} is not UTF-8: kubectl sends U+FFFD instead"
        yield Finding("not-utf8", Level.WARNING, message, source, line)


def _body_size(value: dict[str, JSON], kind: kinds.Served) -> int:
    """Return the request size: Go's JSON, with the namespace that kubectl adds."""
    text = canonical.dumps(value)
    size = len(text) + len("\n")
    if size * _MAX_GROWTH <= MAX_BODY_BYTES:
        return size
    metadata = value.get("metadata")
    if kind.is_namespaced and isinstance(metadata, dict) and "namespace" not in metadata:
        size += len('"namespace":"default",')
    return size + sum(text.count(character) * growth for character, growth in _ESCAPED)


def _of_verdict(item: manifests.Object, verdict: judge.Verdict, source: str) -> Iterator[Finding]:
    for key, line in item.repeated:
        message = f"key {key!r} is repeated; kubectl silently sends the last one"
        yield Finding("repeated-key", Level.WARNING, message, source, line, item.subject)
    for warning in verdict.warnings:
        line = item.line_of(_field(warning))
        yield Finding("warning", Level.WARNING, warning, source, line, item.subject)
    if not verdict.allowed and not verdict.causes:
        yield Finding("invalid", Level.ERROR, verdict.message, source, item.line, item.subject)
    for cause in verdict.causes:
        if cause.field != "<nil>":  # no line: it only says that rules were not run
            yield Finding(
                "invalid",
                Level.ERROR,
                cause.message,
                source,
                item.line_of(cause.field),
                item.subject,
                cause.field,
                {"reason": cause.reason},
            )


def _of_objections(
    item: manifests.Object, objections: Sequence[api_rules.Objection], source: str
) -> Iterator[Finding]:
    for objection in objections:
        level = Level.NOTE if objection.rule == "not-run" else Level.ERROR
        line = item.line_of(objection.path) if objection.path else item.line
        yield Finding(
            objection.rule, level, objection.message, source, line, item.subject, objection.path
        )


def _field(warning: str) -> str:
    """Return the field of a warning; one without a field concerns the version."""
    match = _FIELD.match(warning)
    return next(filter(None, match.groups())) if match else "apiVersion"
