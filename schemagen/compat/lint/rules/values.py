"""Rules about values that no schema allows, proved or asked of the judge by drawing."""

import collections
import json
from collections.abc import Iterator
from typing import Final

from schemagen import judge
from schemagen.compat.findings import Level
from schemagen.compat.lint import drawing
from schemagen.compat.lint.registry import Rule
from schemagen.compat.lint.targets import Found, Target, Version, at
from schemagen.schema import satisfiability

# Objects drawn for a version.
_DRAWS: Final = 60


def _contradictions(target: Target) -> Iterator[Found]:
    for node in target.nodes if target.verdict.allowed else ():
        for problem in satisfiability.contradictions(node.schema):
            yield at(
                node,
                f"expected bounds that some value satisfies, got {problem}; loosen or leave out "
                "one of them",
            )


def _enums(target: Target) -> Iterator[Found]:
    for node in target.nodes if target.verdict.allowed else ():
        for problem in satisfiability.unreachable(node.schema):
            yield at(
                node,
                f"expected enum values that the other keywords allow, got {problem}; leave it out",
            )


def _repeated(target: Target) -> Iterator[Found]:
    for node in target.nodes:
        for keyword in ("enum", "required"):
            values = node.schema.get(keyword)
            if not isinstance(values, list):
                continue
            counts = collections.Counter(json.dumps(value, sort_keys=True) for value in values)
            for text, count in counts.items():
                if count > 1:
                    yield at(
                        node, f"expected each value of {keyword} once, got {text} {count} times"
                    )


def _nothing(target: Target) -> Iterator[Found]:
    if not target.verdict.allowed:
        return
    try:
        loaded = target.oracle.load(target.crd)
    except judge.JudgeError:
        return
    with loaded:
        for version in target.versions:
            if version.value.get("served") and not _is_known_empty(version):
                yield from _in_version(target, version, loaded)


def _is_known_empty(version: Version) -> bool:
    return version.has_status and "status" in (version.schema.get("required") or ())


def _in_version(target: Target, version: Version, loaded: judge.Loaded) -> Iterator[Found]:
    court = drawing.court_of(target, version, loaded)
    refusals: collections.Counter[str] = collections.Counter()
    for body in court.bodies(_DRAWS):
        _, verdict = court.repaired(body)
        if verdict.allowed:
            return
        refusals.update({f"{cause.field}: {cause.message}"[:200] for cause in verdict.causes})
    common = refusals.most_common(1)[0][0] if refusals else "unknown"
    yield Found(
        f"expected an object that the API server accepts, got none among {_DRAWS} that were "
        f"drawn and repaired; the most frequent refusal: {common}",
        version.name,
        "",
        version.root.field,
    )


THEME: Final = "satisfiability"

RULES: Final = (
    Rule(
        id="unsatisfiable",
        theme=THEME,
        level=Level.ERROR,
        finds="keywords of a field that contradict each other",
        why="no value is accepted: the field cannot be set, or no object exists if it is required",
        fix="loosen or leave out one of them",
        check=_contradictions,
    ),
    Rule(
        id="enum-unreachable",
        theme=THEME,
        level=Level.WARNING,
        finds="an enum value that the other keywords of the field refuse",
        why="it is documented, and refused",
        fix="leave it out, or loosen the keyword",
        check=_enums,
    ),
    Rule(
        id="value-repeated",
        theme=THEME,
        level=Level.NOTE,
        finds="the same value twice in an enum or in required",
        why="it is a slip of a copy; another value may be missing",
        fix="leave one out",
        check=_repeated,
    ),
    Rule(
        id="nothing-accepted",
        theme=THEME,
        level=Level.WARNING,
        finds="a version of which the judge accepted no object that was drawn",
        why="rules of several fields may contradict each other; drawing does not prove it, so it "
        "is a warning",
        fix="correct what the most frequent refusal names, or suppress it with an object that is "
        "accepted as the reason",
        check=_nothing,
    ),
)
