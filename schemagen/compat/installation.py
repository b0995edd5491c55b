"""Whether CRDs can be installed in minor versions of Kubernetes, and what would make them. Pure.

The judges give the verdicts; here they are put together: a table of minor versions, and findings
that name the minor versions they are about.
"""

import copy
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from schemagen import judge
from schemagen.compat import findings, releases, sources
from schemagen.crd import costs
from schemagen.problems import JSON

RULES: Final = {
    "install-refused": "The API server refuses the CRD.",
    "cel-cost": "The API server estimates that a CEL rule costs more than it allows.",
    "field-unknown": "The API server does not know a field: kubectl is refused, others lose it.",
    "field-dropped": "The API server drops a field in silence, as its feature is disabled.",
    "server-warning": "The API server accepts the CRD with a warning.",
}

# Of a rule by itself, and of all rules of a schema, which then follows.
_TOO_EXPENSIVE: Final = "estimated rule cost"
_UNKNOWN: Final = re.compile(r'(?:unknown|duplicate) field "([^"]+)"')
_STEP: Final = re.compile(r"[^.\[\]]+|\[[^\]]*\]")
_LISTED: Final = re.compile(r"(.*\.(?:x-kubernetes-validations|selectableFields)\[\d+\]).*")
# The API server quotes the whole rule, in ways that changed; the field says which one it is.
_QUOTED_RULE: Final = re.compile(
    r"Invalid value: (?:apiextensions\.ValidationRule)?\{.*?"
    r"(?:OptionalOldSelf\W[^}]*|FieldPath:\"[^\"]*\")\}: ",
    re.DOTALL,
)
# What conversion to the internal version hoists if all versions agree (apiextensions, v1).
_HOISTED: Final = (
    ("spec.validation.", "spec.versions[0].schema."),
    ("spec.subresources", "spec.versions[0].subresources"),
    ("spec.additionalPrinterColumns", "spec.versions[0].additionalPrinterColumns"),
    ("spec.selectableFields", "spec.versions[0].selectableFields"),
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The verdict of a minor version on a CRD.

    Attributes:
        verdict: The API server's response to its creation, or to the update.
        rule_costs: Of all its rules.
        advice: For each rule that is too expensive.
        removal: What has to be removed to have it accepted, if anything is enough: fields as
            people name them.
    """

    verdict: judge.Verdict
    rule_costs: tuple[judge.Cost, ...] = ()
    advice: tuple[costs.Advice, ...] = ()
    removal: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """Return it in a word or two, for a table."""
        if not self.verdict.allowed:
            return "refused"
        return "drops fields" if self.verdict.dropped else "ok"

    @property
    def share(self) -> float | None:
        """Return the share of the cost limit that the most expensive rule takes; None for none."""
        return max((cost.cost / cost.limit for cost in self.rule_costs), default=None)


Outcomes = Mapping[releases.Release, Outcome]


def judged(oracle: judge.Judge, crd: JSON, *, old: JSON = None, strict: bool = True) -> Outcome:
    """Judge a CRD by one minor version's judge.

    Args:
        oracle: The judge.
        crd: The CRD.
        old: The CRD in the cluster, if this is its update.
        strict: Whether unknown fields are refused, as kubectl requests; otherwise they are dropped
            with a warning.
    """
    created = oracle.check(crd, strict=strict, costs=True)
    verdict = created if old is None else oracle.check_update(crd, old, strict=strict)
    if verdict.allowed:
        return Outcome(verdict, created.costs)
    is_costly = any(_TOO_EXPENSIVE in cause.message for cause in verdict.causes)
    advice = tuple(costs.advice(oracle, crd)) if is_costly else ()

    def is_accepted(changed: JSON) -> bool:
        if old is None:
            return oracle.check(changed, strict=strict).allowed
        return oracle.check_update(changed, old, strict=strict).allowed

    places = [_removable(place) for place, _ in _reasons(verdict) if place]
    removed = _without(crd, places)
    is_enough = removed is not None and is_accepted(removed)
    return Outcome(verdict, created.costs, advice, tuple(dict.fromkeys(places)) * is_enough)


def report(definition: sources.Definition, outcomes: Outcomes) -> list[findings.Finding]:
    """Return what the minor versions say about a CRD: each finding once, with its versions."""
    merged: dict[tuple[str, str, str], list[releases.Release]] = {}
    for release, outcome in outcomes.items():
        for key in _said(outcome):
            merged.setdefault(key, []).append(release)
    found = [
        _finding(definition, key, named, outcomes) for key, named in merged.items()
    ] + _expensive(definition, outcomes)
    return sorted(found, key=lambda finding: (finding.level is not findings.Level.ERROR,))


def _said(outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    """Yield rule, field and message of all but costs that there is advice for."""
    verdict = outcome.verdict
    for place, message in _reasons(verdict) if not verdict.allowed else ():
        if _TOO_EXPENSIVE not in message:
            is_unknown = _UNKNOWN.fullmatch(message) is not None
            yield ("field-unknown" if is_unknown else "install-refused"), place, message
        elif not outcome.advice:
            yield "cel-cost", place, message
    for dropped in verdict.dropped:
        yield "field-dropped", "", f"{dropped} is dropped in silence: its feature is disabled"
    for warning in verdict.warnings:
        match = _UNKNOWN.fullmatch(warning)
        yield ("field-unknown" if match else "server-warning"), match[1] if match else "", warning


def _finding(
    definition: sources.Definition,
    key: tuple[str, str, str],
    named: list[releases.Release],
    outcomes: Outcomes,
) -> findings.Finding:
    rule, place, message = key
    is_refused = any(not outcomes[release].verdict.allowed for release in named)
    is_error = is_refused and rule in {"install-refused", "cel-cost", "field-unknown"}
    parts = [message]
    if is_error:
        parts += _remedies(place, named, outcomes)
    return findings.Finding(
        rule,
        findings.Level.ERROR if is_error else findings.Level.WARNING,
        f"Kubernetes {releases.ranges(named)}: {'; '.join(parts)}",
        definition.source,
        definition.line_of(place) if place else definition.line_of("spec"),
        definition.name,
        place,
        {"kubernetes": [str(release) for release in named]},
    )


def _remedies(place: str, named: list[releases.Release], outcomes: Outcomes) -> Iterator[str]:
    """Yield what helps: a newer minor version, or less in the CRD."""
    later = [release for release in outcomes if release > max(named)]
    if later and all(outcomes[release].verdict.allowed for release in later):
        yield f"accepted from {min(later)}"
    removals = {outcomes[release].removal for release in named}
    own = _removable(place)
    if not all(own in removal for removal in removals):
        return
    others = max(map(len, removals)) - 1
    yield f"accepted without {own}" + (f" and the {others} more that are refused" * bool(others))


def _expensive(definition: sources.Definition, outcomes: Outcomes) -> list[findings.Finding]:
    """Return a finding for each rule that is too expensive in some minor version."""
    found: dict[tuple[str, str, str], dict[releases.Release, costs.Advice]] = {}
    for release, outcome in outcomes.items():
        for advice in outcome.advice:
            key = advice.cost.version, advice.cost.path, advice.cost.rule
            found.setdefault(key, {})[release] = advice
    return [_expensive_one(definition, by_release) for by_release in found.values()]


def _expensive_one(
    definition: sources.Definition, by_release: dict[releases.Release, costs.Advice]
) -> findings.Finding:
    # The bounds of the minor version that estimates most fit the others as well.
    worst = max(by_release.values(), key=lambda advice: advice.cost.cost)
    place = _place_of(definition.value, worst.cost)
    estimates = {str(release): advice.cost.cost for release, advice in by_release.items()}
    bounds = [
        {
            "places": [f"{keyword} of {where}" for where, keyword in choice.places],
            "most": choice.most,
        }
        for choice in worst.choices
    ]
    return findings.Finding(
        "cel-cost",
        findings.Level.ERROR,
        f"Kubernetes {releases.ranges([*by_release])}: {worst}",
        definition.source,
        definition.line_of(place),
        definition.name,
        place,
        {"kubernetes": [*estimates], "costs": estimates, "bounds": bounds},
    )


def _reasons(verdict: judge.Verdict) -> Iterator[tuple[str, str]]:
    """Yield field and message of each reason for a refusal; the field of the CRD, as written."""
    for cause in verdict.causes:
        yield _written(cause.field), _in_a_line(cause.message)
    if verdict.causes:
        return
    unknown = list(_UNKNOWN.finditer(verdict.message))
    for match in unknown:
        yield match[1], match[0]
    if not unknown:
        yield "", _in_a_line(verdict.message)


def _in_a_line(message: str) -> str:
    """Return a message without the rule that it quotes, and the lines of it that it underlines."""
    lines = _QUOTED_RULE.sub("", message).splitlines()
    return "; ".join(line for line in lines if not line.startswith(" |"))


def _written(field: str) -> str:
    """Return the field of a CRD, where the API server names it as its internal version does."""
    for internal, written in _HOISTED:
        if field.startswith(internal):
            return written + field.removeprefix(internal)
    return "" if field.startswith("<") else field


def _place_of(crd: JSON, cost: judge.Cost) -> str:
    """Return the field of a rule's schema."""
    names = [version["name"] for version in crd["spec"]["versions"]]
    place = f"spec.versions[{names.index(cost.version)}].schema.openAPIV3Schema"
    for step in cost.path.split(".") if cost.path not in {"", "<nil>"} else ():
        match step:
            case "[]":
                place += ".items"
            case "{}":
                place += ".additionalProperties"
            case _:
                place += f".properties[{step}]"
    return place


def _removable(place: str) -> str:
    """Return what can be removed to be rid of a reason: a rule, or the field itself."""
    match = _LISTED.fullmatch(place)
    return match[1] if match else place


def _without(crd: JSON, places: Sequence[str]) -> JSON | None:
    """Return a CRD without some fields and list items; None if there is nothing at one of them."""
    if not places:
        return None
    changed = copy.deepcopy(crd)
    # From the last, so that an index stays true.
    for steps in sorted({_steps(place) for place in places}, key=_order, reverse=True):
        node = changed
        for step in steps[:-1]:
            node = _at(node, step)
        if _at(node, steps[-1]) is None:
            return None
        del node[_key(node, steps[-1])]
    return changed


def _steps(place: str) -> tuple[str, ...]:
    """Return the keys and indices of a field: ``spec.versions[0].schema.properties[a]``."""
    return tuple(step.strip("[]") for step in _STEP.findall(place))


def _order(steps: tuple[str, ...]) -> list[tuple[int, str]]:
    return [(int(step) if step.isdecimal() else 0, step) for step in steps]


def _key(node: JSON, step: str) -> str | int:
    return int(step) if isinstance(node, list) else step


def _at(node: JSON, step: str) -> JSON:
    try:
        return node[_key(node, step)]
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def table(rows: Mapping[str, Outcomes]) -> str:
    """Write CRDs as rows and minor versions as columns; empty text for no CRD."""
    if not rows:
        return ""
    columns = [*next(iter(rows.values()))]
    lines = [("CRD", *map(str, columns))]
    lines += [
        (name, *(_cell(outcomes[column]) for column in columns)) for name, outcomes in rows.items()
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        + "\n"
        for line in lines
    )


def _cell(outcome: Outcome) -> str:
    share = outcome.share
    if share is None or not outcome.verdict.allowed:
        return outcome.word
    return f"{outcome.word} ({share:.0%})" if share >= _SHOWN_SHARE else outcome.word


_SHOWN_SHARE: Final = 0.01


def fields(rows: Mapping[str, Outcomes]) -> JSON:
    """Return all verdicts as JSON, by CRD and minor version."""
    return {
        name: {
            str(release): {
                "allowed": outcome.verdict.allowed,
                "message": outcome.verdict.message,
                "costs": [dataclasses.asdict(cost) for cost in outcome.rule_costs],
                "dropped": list(outcome.verdict.dropped),
                "warnings": list(outcome.verdict.warnings),
            }
            for release, outcome in outcomes.items()
        }
        for name, outcomes in rows.items()
    }
