"""Cases of ``tests/data/minors``: what each minor version of Kubernetes makes of a CRD."""

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Any

from schemagen import judge, yaml
from schemagen.compat import findings, installation, releases, sources

FOLDER = pathlib.Path(__file__).parents[1] / "data/minors"


@dataclasses.dataclass(frozen=True)
class Case:
    """A CRD, and what is expected of each minor version.

    Attributes:
        name: The file's.
        source: The public report that it is modelled on.
        definition: The CRD.
        strict: Whether unknown fields are refused.
        expected: By minor version; see ``problems``.
        requests: About objects of the CRD.
    """

    name: str
    source: str
    definition: sources.Definition
    strict: bool
    expected: dict[releases.Release, dict[str, Any]]
    requests: tuple[dict[str, Any], ...]

    def judged(self, oracle: judge.Judge) -> installation.Outcome:
        """Return what a minor version makes of the CRD."""
        return installation.judged(oracle, self.definition.value, strict=self.strict)

    def refusals(self, oracle: judge.Judge, release: releases.Release) -> Iterator[str]:
        """Yield the requests about objects that are answered otherwise than expected."""
        if not self.requests:
            return
        with oracle.load(self.definition.value) as loaded:
            for request in self.requests:
                if request["operation"] == "create":
                    verdict = loaded.create(request["object"])
                else:
                    verdict = getattr(loaded, request["operation"])(
                        request["object"], request["old"]
                    )
                expected = release in releases.parsed(request["allowed"])
                if verdict.allowed != expected:
                    yield (
                        f"{self.name} {release}: {request['about']}: expected allowed: {expected}, "
                        f"got {verdict.allowed}: {verdict.message}"
                    )

    def problems(self, outcomes: installation.Outcomes) -> Iterator[str]:
        """Yield what is otherwise than expected: verdicts, and findings of minor versions."""
        found = installation.report(self.definition, outcomes)
        for release, outcome in outcomes.items():
            expected = self.expected.get(release, {})
            told = [one for one in found if str(release) in one.details["kubernetes"]]
            where = f"{self.name} {release}"
            if outcome.word != expected.get("verdict"):
                yield (
                    f"{where}: expected {expected.get('verdict')}, got {outcome.word}: "
                    f"{outcome.verdict.message}"
                )
            elif "rule" in expected:
                yield from (f"{where}: {line}" for line in _lacking(expected, told))
            elif expected["verdict"] == "ok" and told:
                yield f"{where}: expected no finding, got {told[0]}"


def _lacking(expected: dict[str, Any], told: list[findings.Finding]) -> Iterator[str]:
    fitting = [
        finding
        for finding in told
        if finding.rule == expected["rule"] and expected["message"] in finding.message
    ]
    if not fitting:
        yield f"expected {expected['rule']}: {expected['message']}, got {[*map(str, told)]}"
        return
    if expected.get("path", fitting[0].path) != fitting[0].path:
        yield f"expected the path {expected['path']}, got {fitting[0].path}"
    for remedy in expected.get("remedies", ()):
        if remedy not in fitting[0].message:
            yield f"expected the remedy {remedy!r}, got {fitting[0].message}"


def read(path: pathlib.Path) -> Case:
    """Read a case."""
    (value,) = yaml.load_all(path.read_bytes())
    expected = {
        release: entry
        for versions, entry in value["expected"].items()
        for release in releases.parsed(versions)
    }
    definition = sources.Definition(value["crd"], path.name)
    return Case(
        path.stem,
        value["source"],
        definition,
        value.get("strict", True),
        expected,
        tuple(value.get("requests", ())),
    )


CASES = tuple(map(read, sorted(FOLDER.glob("*.yaml"))))
