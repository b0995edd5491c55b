"""Manifests judged by the API server's own rules, for CI: one line for each thing that is wrong."""

import codecs
import re
from collections.abc import Iterator

from schemagen import canonical, crd, judge, manifests
from schemagen.model import registry
from schemagen.problems import JSON

# A warning's field, where it names one: `unknown field "spec.x"`, `metadata.finalizers: "x": ...`.
_FIELD = re.compile(r'^\w+ field "([^"]+)"$|^(metadata\.\w+): |^\.(metadata\.\w+) ')

# k8s.io/apiserver, server.Config.MaxRequestBodyBytes.
MAX_BODY_BYTES = 3 * 1024 * 1024
# What Go's JSON escapes and ours does not, by how much it grows.
_ESCAPED = ((b"<", 5), (b">", 5), (b"&", 5), ("\u2028".encode(), 3), ("\u2029".encode(), 3))
_MAX_GROWTH = 6


class Report:
    """What became of the manifests so far.

    Attributes:
        taken: Objects that the API server would take.
        refused: Objects that it would refuse.
        foreign: Objects of kinds that the Api does not have.
    """

    def __init__(self, api: registry.Api, asked: judge.Judge, *, strict: bool) -> None:
        self._api, self._judge, self._strict = api, asked, strict
        self._loaded: dict[str, judge.Loaded] = {}
        self.taken = self.refused = self.foreign = 0

    @property
    def summary(self) -> str:
        """The counts in a line."""
        foreign = f", {self.foreign} of other kinds passed over" if self.foreign else ""
        return f"{self.taken} would be taken, {self.refused} refused{foreign}"

    def lines(self, content: bytes, source: str) -> Iterator[str]:
        """A line for each reason to refuse an object of a manifest, and for each warning.

        ``FILE:LINE: KIND NAME: …`` and ``FILE:LINE: warning: KIND NAME: …``.

        Raises:
            manifests.ManifestError: if the text cannot be read.
            judge.JudgeError: if there is no judge.
        """
        yield from _undecodable(content, source)
        for found in manifests.read(content, source):
            kind = self._kind(found.value)
            if found.refusal or kind is not None:
                yield from self._answer(found, kind, source)
            elif self._is_ours(found.value):
                self.refused += 1
                yield _line(found, _no_match(found.value), source)
            else:
                self.foreign += 1

    def _answer(
        self, found: manifests.Object, kind: registry.Kind | None, source: str
    ) -> Iterator[str]:
        """What kubectl and the API server say of an object."""
        if found.refusal or kind is None:
            self.refused += 1
            yield _line(found, found.refusal, source)
        elif _body_size(found.value, kind) > MAX_BODY_BYTES:
            self.refused += 1
            yield _line(found, f"Request entity too large: limit is {MAX_BODY_BYTES}", source)
        else:
            verdict = self._of(kind).create(found.value, strict=self._strict)
            self.taken += verdict.allowed
            self.refused += not verdict.allowed
            yield from _lines(found, verdict, source)

    def _is_ours(self, value: dict[str, JSON]) -> bool:
        """Whether an object is of our group."""
        return str(value["apiVersion"]).rpartition("/")[0] == self._api.group

    def _kind(self, value: dict[str, JSON]) -> registry.Kind | None:
        """The kind of an object as kubectl finds it: in lower case, too."""
        version = str(value.get("apiVersion"))
        for kind in self._api:
            if value.get("kind") in {kind.name, kind.name.lower()} and any(
                one.served and self._api.api_version(one) == version for one in kind.versions
            ):
                return kind
        return None

    def _of(self, kind: registry.Kind) -> judge.Loaded:
        if kind.name not in self._loaded:
            definition = crd.crd(self._api, kind, webhook=crd.NOWHERE)
            self._loaded[kind.name] = self._judge.load(definition)
        return self._loaded[kind.name]


def _undecodable(content: bytes, source: str) -> Iterator[str]:
    """A warning of what kubectl replaces without a word."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = f"0x{content[error.start]:02x}"
        yield f"{source}:{line}: warning: the byte {byte} is no UTF-8: kubectl sends U+FFFD for it"


def _no_match(value: dict[str, JSON]) -> str:
    return f'no matches for kind "{value["kind"]}" in version "{value["apiVersion"]}"'


def _body_size(value: dict[str, JSON], kind: registry.Kind) -> int:
    """How many bytes kubectl sends: Go's JSON, with the namespace that it adds."""
    text = canonical.dumps(value)
    size = len(text) + len("\n")
    if size * _MAX_GROWTH <= MAX_BODY_BYTES:
        return size
    metadata = value.get("metadata")
    if kind.scope == "Namespaced" and isinstance(metadata, dict) and "namespace" not in metadata:
        size += len('"namespace":"default",')
    return size + sum(text.count(one) * growth for one, growth in _ESCAPED)


def _line(found: manifests.Object, message: str, source: str) -> str:
    return f"{source}:{found.line}: {': '.join(filter(None, (found.subject, message)))}"


def _lines(found: manifests.Object, verdict: judge.Verdict, source: str) -> Iterator[str]:
    for key, line in found.repeated:
        yield (
            f"{source}:{line}: warning: {found.subject}: key {key!r} is repeated; "
            "kubectl sends the last one without a word"
        )
    for warning in verdict.warnings:
        line = found.line_of(_field(warning))
        yield f"{source}:{line}: warning: {found.subject}: {warning}"
    if not verdict.allowed and not verdict.causes:
        yield _line(found, verdict.message, source)
    for cause in verdict.causes:
        if cause.field != "<nil>":  # says that rules were not run, which no line stands for
            line = found.line_of(cause.field)
            yield f"{source}:{line}: {found.subject}: {cause.field}: {cause.message}"


def _field(warning: str) -> str:
    """What a warning is about; one that names no field is about the version."""
    found = _FIELD.match(warning)
    return next(filter(None, found.groups())) if found else "apiVersion"
