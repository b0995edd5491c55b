"""Manifests judged by the API server's own rules, for CI: one line for each thing that is wrong."""

import re
from collections.abc import Iterator

from schemagen import crd, documents, judge
from schemagen.model import registry

# A warning's field, where it names one: `unknown field "spec.x"`, `metadata.finalizers: "x": ...`.
_FIELD = re.compile(r'^\w+ field "([^"]+)"$|^(metadata\.\w+): |^\.(metadata\.\w+) ')


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

    def lines(self, text: str, source: str) -> Iterator[str]:
        """A line for each reason to refuse an object of a YAML text, and for each warning.

        ``FILE:LINE: KIND NAME: …`` and ``FILE:LINE: warning: KIND NAME: …``.

        Raises:
            documents.DocumentError: if the text is no YAML.
            judge.JudgeError: if there is no judge.
        """
        for document in documents.read(text, source):
            kind_name = document.value.get("kind")
            found = self._api.find(document.value.get("apiVersion"), kind_name)
            if found is None and not self._is_ours(document.value):
                self.foreign += 1
                continue
            kind = found[0] if found else self._kind(str(kind_name))
            verdict = self._of(kind).create(document.value, strict=self._strict)
            self.taken += verdict.allowed
            self.refused += not verdict.allowed
            yield from _lines(document, verdict, source)

    def _is_ours(self, value: dict[str, object]) -> bool:
        """Whether an object is of our group and kind, in whatever version."""
        group = str(value.get("apiVersion")).rpartition("/")[0]
        return group == self._api.group and any(
            kind.name == value.get("kind") for kind in self._api
        )

    def _kind(self, name: str) -> registry.Kind:
        return next(kind for kind in self._api if kind.name == name)

    def _of(self, kind: registry.Kind) -> judge.Loaded:
        if kind.name not in self._loaded:
            definition = crd.crd(self._api, kind, webhook=crd.NOWHERE)
            self._loaded[kind.name] = self._judge.load(definition)
        return self._loaded[kind.name]


def _lines(document: documents.Document, verdict: judge.Verdict, source: str) -> Iterator[str]:
    name = document.value.get("metadata", {}).get("name", "")
    subject = f"{document.value['kind']} {name}".strip()
    for warning in verdict.warnings:
        line = document.line_of(_field(warning))
        yield f"{source}:{line}: warning: {subject}: {warning}"
    if not verdict.allowed and not verdict.causes:
        yield f"{source}:{document.line}: {subject}: {verdict.message}"
    for cause in verdict.causes:
        if cause.field != "<nil>":  # says that rules were not run, which no line stands for
            line = document.line_of(cause.field)
            yield f"{source}:{line}: {subject}: {cause.field}: {cause.message}"


def _field(warning: str) -> str:
    """What a warning is about; one that names no field is about the version."""
    found = _FIELD.match(warning)
    return next(filter(None, found.groups())) if found else "apiVersion"
