"""Validate manifests by the API server's own rules, for CI: one line for each problem."""

import codecs
import re
from collections.abc import Iterator

from schemagen import canonical, judge
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


class Report:
    """Running totals of a validation.

    Attributes:
        taken: Objects that the API server would accept.
        refused: Objects that it would refuse.
        foreign: Objects of kinds that the Api does not have.
    """

    def __init__(self, api: registry.Api, oracle: judge.Judge, *, strict: bool) -> None:
        self._api, self._judge, self._strict = api, oracle, strict
        self._loaded: dict[str, judge.Loaded] = {}
        self.taken = self.refused = self.foreign = 0

    @property
    def summary(self) -> str:
        """Return the counts in a line."""
        foreign = f", {self.foreign} of other kinds skipped" if self.foreign else ""
        return f"{self.taken} would be accepted, {self.refused} refused{foreign}"

    def lines(self, content: bytes, source: str) -> Iterator[str]:
        """Return a line for each warning and each reason to refuse an object of a manifest.

        ``FILE:LINE: KIND NAME: …`` and ``FILE:LINE: warning: KIND NAME: …``.

        Raises:
            manifests.ManifestError: if the text cannot be parsed.
            judge.JudgeError: if no judge is available.
        """
        yield from _undecodable(content, source)
        for item in manifests.read(content, source):
            kind = self._kind(item.value)
            if item.refusal or kind is not None:
                yield from self._answer(item, kind, source)
            elif self._is_ours(item.value):
                self.refused += 1
                yield _line(item, _no_match(item.value), source)
            else:
                self.foreign += 1

    def _answer(
        self, item: manifests.Object, kind: registry.Kind | None, source: str
    ) -> Iterator[str]:
        """Return the response of kubectl and the API server to an object."""
        if item.refusal or kind is None:
            self.refused += 1
            yield _line(item, item.refusal, source)
        elif _body_size(item.value, kind) > MAX_BODY_BYTES:
            self.refused += 1
            yield _line(item, f"Request entity too large: limit is {MAX_BODY_BYTES}", source)
        else:
            verdict = self._of(kind).create(item.value, strict=self._strict)
            self.taken += verdict.allowed
            self.refused += not verdict.allowed
            yield from _lines(item, verdict, source)

    def _is_ours(self, value: dict[str, JSON]) -> bool:
        """Return whether an object is of this API group."""
        return str(value["apiVersion"]).rpartition("/")[0] == self._api.group

    def _kind(self, value: dict[str, JSON]) -> registry.Kind | None:
        """Return an object's kind as kubectl resolves it, ignoring case."""
        version = str(value.get("apiVersion"))
        for kind in self._api:
            if value.get("kind") in {kind.name, kind.name.lower()} and any(
                served.served and self._api.api_version(served) == version
                for served in kind.versions
            ):
                return kind
        return None

    def _of(self, kind: registry.Kind) -> judge.Loaded:
        if kind.name not in self._loaded:
            definition = definitions.crd(self._api, kind, webhook=definitions.NOWHERE)
            self._loaded[kind.name] = self._judge.load(definition)
        return self._loaded[kind.name]


def _undecodable(content: bytes, source: str) -> Iterator[str]:
    """Return a warning for bytes that kubectl silently replaces."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = f"0x{content[error.start]:02x}"
        yield (
            f"{source}:{line}: warning: the byte {byte} is not UTF-8: kubectl sends U+FFFD instead"
        )


def _no_match(value: dict[str, JSON]) -> str:
    return f'no matches for kind "{value["kind"]}" in version "{value["apiVersion"]}"'


def _body_size(value: dict[str, JSON], kind: registry.Kind) -> int:
    """Return the request size: Go's JSON, with the namespace that kubectl adds."""
    text = canonical.dumps(value)
    size = len(text) + len("\n")
    if size * _MAX_GROWTH <= MAX_BODY_BYTES:
        return size
    metadata = value.get("metadata")
    if kind.scope == "Namespaced" and isinstance(metadata, dict) and "namespace" not in metadata:
        size += len('"namespace":"default",')
    return size + sum(text.count(character) * growth for character, growth in _ESCAPED)


def _line(item: manifests.Object, message: str, source: str) -> str:
    return f"{source}:{item.line}: {': '.join(filter(None, (item.subject, message)))}"


def _lines(item: manifests.Object, verdict: judge.Verdict, source: str) -> Iterator[str]:
    for key, line in item.repeated:
        yield (
            f"{source}:{line}: warning: {item.subject}: key {key!r} is repeated; kubectl "
            "silently sends the last one"
        )
    for warning in verdict.warnings:
        line = item.line_of(_field(warning))
        yield f"{source}:{line}: warning: {item.subject}: {warning}"
    if not verdict.allowed and not verdict.causes:
        yield _line(item, verdict.message, source)
    for cause in verdict.causes:
        if cause.field != "<nil>":  # no line: it only says that rules were not run
            line = item.line_of(cause.field)
            yield f"{source}:{line}: {item.subject}: {cause.field}: {cause.message}"


def _field(warning: str) -> str:
    """Return the field of a warning; one without a field concerns the version."""
    match = _FIELD.match(warning)
    return next(filter(None, match.groups())) if match else "apiVersion"
