"""Compare the versions of one CRD with each other: what one loses that another holds.

Without a conversion webhook an object is the same JSON in every version. Fields that a version does
not declare are dropped when the object is written through it, and what it does not allow keeps it
from being written.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Final

from schemagen.compat.changes import schema_changes, version_changes
from schemagen.compat.changes.changes import Audience, Change, Decided, Outcome, Verdict
from schemagen.compat.verdicts import trials, verdicts
from schemagen.problems import JSON

Open = Callable[[tuple[JSON, JSON], tuple[JSON, JSON]], trials.Trial | str]
"""From a CRD and a version, twice, to a trial, or to why there is none."""

_CONVERTED: Final = "the conversion webhook has to carry it; nothing else does"
_UNAFFECTED: Final = "each version is compared with itself"


def of(old: JSON, new: JSON, opened: Open, *, draws: int) -> Iterator[Decided]:
    """Yield what a pair of versions loses now and did not lose before."""
    known = {
        (pair, change.rule, change.steps) for pair in _pairs(old) for change in _lossy(old, pair)
    }
    had_webhook = version_changes.strategy(old) != "None"
    has_webhook = version_changes.strategy(new) != "None"
    if had_webhook and not has_webhook:
        known = set()
    for pair in _pairs(new):
        changes = [
            change for change in _lossy(new, pair) if (pair, change.rule, change.steps) not in known
        ]
        if has_webhook:
            verdict = Verdict(Outcome.SAFE, _CONVERTED)
            yield from (Decided(change, dict.fromkeys(Audience, verdict)) for change in changes)
        elif changes:
            yield from _decided(new, pair, changes, opened, draws=draws)


def _pairs(crd: JSON) -> list[tuple[str, str]]:
    """Return the ordered pairs of versions through which an object may pass."""
    versions = version_changes.by_name(crd).values()
    names = [v["name"] for v in versions if v.get("served") or v.get("storage")]
    return list(itertools.permutations(names, 2))


def _lossy(crd: JSON, pair: tuple[str, str]) -> Iterator[Change]:
    """Yield what the second version of a pair lacks or refuses."""
    versions = version_changes.by_name(crd)
    one, other = (version_changes.schema_of(versions[name]) for name in pair)
    index = list(versions).index(pair[1])
    place = f"spec.versions[{index}].schema.openAPIV3Schema"
    for change in schema_changes.compare(one, other, place=place):
        if Audience.STORED in change.safe or change.rule in _TOLD_ELSEWHERE:
            continue
        text = {
            "field-removed": f"not in {pair[1]}, which drops it from what {pair[0]} holds",
            "field-renamed": f"called {change.after} in {pair[1]}, and not converted",
        }.get(change.rule, f"{change.message}, seen from {pair[1]}")
        yield dataclasses.replace(
            change, rule=f"pair-{change.rule}", message=text, version=f"{pair[0]} to {pair[1]}"
        )


_TOLD_ELSEWHERE: Final = frozenset({"default-added", "default-changed", "default-removed"})


def _decided(
    crd: JSON, pair: tuple[str, str], changes: list[Change], opened: Open, *, draws: int
) -> Iterator[Decided]:
    versions = version_changes.by_name(crd)
    trial = opened((crd, versions[pair[0]]), (crd, versions[pair[1]]))
    try:
        for change in changes:
            found = verdicts.decide(
                dataclasses.replace(change, rule=change.rule.removeprefix("pair-")),
                trial if isinstance(trial, trials.Trial) else None,
                draws=draws,
                refusal=trial if isinstance(trial, str) else "",
                audiences=(Audience.STORED,),
            )
            rest = Verdict(Outcome.SAFE, _UNAFFECTED)
            yield Decided(
                change,
                {
                    Audience.WRITERS: rest,
                    Audience.READERS: rest,
                    Audience.STORED: found[Audience.STORED],
                },
            )
    finally:
        if isinstance(trial, trials.Trial):
            trial.close()
