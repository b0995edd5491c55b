"""Decide what each change means to each audience, with a proof. Pure but for the judge.

Safe is what a rule of schemas proves. Breaking is what the judge shows. For everything else the
objects that were tried are counted.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from schemagen import canonical
from schemagen.compat.changes.changes import Audience, Change, Outcome, Verdict, Witness, matches
from schemagen.compat.verdicts import shrinking, specimens, trials
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

DRAWS: Final = 300
"""Objects that are tried for a change at most."""

_VALUES: Final = 120
_PAIRED: Final = 14
_RANDOM: Final = 40

_EDITED: Final = 24
"""Objects around whose misfits edits are tried."""

_BROKEN: Final = {
    Audience.WRITERS: {
        True: "a request that was accepted is refused",
        False: "something else is stored for the same request",
    },
    Audience.READERS: {
        True: "an object is served that never was before",
        False: "a stored object is served without a field that it had",
    },
    Audience.STORED: {
        True: "an update of something else is refused for what is stored",
        False: "what is stored is lost when it is read",
    },
}


def decide(
    change: Change,
    trial: trials.Trial | None,
    *,
    draws: int = DRAWS,
    refusal: str = "",
    audiences: Sequence[Audience] = tuple(Audience),
) -> dict[Audience, Verdict]:
    """Return what a change of a schema means to each audience.

    Args:
        change: The change.
        trial: Both sides of its version; None if the judge refuses one of them.
        draws: Objects to try at most.
        refusal: Why there is no trial.
        audiences: Those to decide for.
    """
    verdicts = {
        audience: Verdict(Outcome.SAFE, change.safe[audience])
        for audience in audiences
        if audience in change.safe
    }
    open_ = [audience for audience in audiences if audience not in verdicts]
    if not open_:
        return verdicts
    if (known := _by_apply(change)) is not None and Audience.WRITERS in open_:
        verdicts[Audience.WRITERS] = known
        open_.remove(Audience.WRITERS)
    if trial is None:
        return verdicts | {a: Verdict(Outcome.UNPROVED, refusal) for a in open_}
    found, tried = _tried(change, trial, open_, draws)
    for audience in open_:
        verdicts[audience] = _verdict(audience, found.get(audience), tried)
    return {audience: verdicts[audience] for audience in audiences}


def _verdict(audience: Audience, evidence: trials.Evidence | None, tried: int) -> Verdict:
    if evidence is None:
        return Verdict(
            Outcome.UNPROVED,
            f"no difference in {tried} objects, but no rule proves it",
            None,
            tried,
        )
    is_first = _is_refusal(audience, evidence.witness)
    return Verdict(Outcome.BREAKING, _BROKEN[audience][is_first], evidence.witness)


def _is_refusal(audience: Audience, witness: Witness) -> bool:
    match audience:
        case Audience.WRITERS:
            return isinstance(witness.after, str)
        case Audience.READERS:
            return witness.before is None or witness.before != witness.object
        case Audience.STORED:
            return witness.request != "read"


def _tried(
    change: Change, trial: trials.Trial, open_: Sequence[Audience], draws: int
) -> tuple[dict[Audience, trials.Evidence], int]:
    """Return evidence for each audience, and how many objects were tried."""
    found: dict[Audience, trials.Evidence] = {}
    missing = list(open_)
    probe = _Probe(change, trial)
    tried = 0
    objects = itertools.islice(_unique(_objects(change, trial)), draws)
    for tried, value in enumerate(objects, start=1):
        for audience in tuple(missing):
            evidence = probe.of(audience, value)
            if evidence is not None:
                found[audience] = _shrunk(probe, audience, value, evidence)
                missing.remove(audience)
        if not missing:
            return found, tried
    if Audience.WRITERS in missing and _is_of_updates(change):
        for more, (value, other) in enumerate(_pairs(change, trial), start=1):
            evidence = trial.writers_update(value, other)
            if evidence is not None and concerns(change, evidence.fields):
                found[Audience.WRITERS] = evidence
                break
            tried += more > 0
    return found, tried


class _Probe:
    """Asks about objects for one change."""

    def __init__(self, change: Change, trial: trials.Trial) -> None:
        self._change, self._trial = change, trial
        self._edited = 0

    def of(self, audience: Audience, value: JSON) -> trials.Evidence | None:
        """Return evidence that is about the change."""
        match audience:
            case Audience.WRITERS:
                evidence = self._trial.writers(value)
            case Audience.READERS:
                evidence = self._trial.readers(value)
            case _:
                evidence = self._trial.stored(value, self._is_worth_edits)
        if evidence is None or not concerns(self._change, evidence.fields):
            return None
        return evidence

    def _is_worth_edits(self, fields: tuple[str, ...]) -> bool:
        if not concerns(self._change, fields):
            return False
        self._edited += 1
        return self._edited <= _EDITED


def _shrunk(
    probe: _Probe, audience: Audience, value: JSON, evidence: trials.Evidence
) -> trials.Evidence:
    """Return the evidence of the smallest object that shows the same."""
    best = [evidence]
    is_refusal = _is_refusal(audience, evidence.witness)

    def still(smaller: JSON) -> bool:
        found = probe.of(audience, smaller)
        if found is None or _is_refusal(audience, found.witness) != is_refusal:
            return False
        best[0] = found
        return True

    shrinking.smallest(value, still)
    return best[0]


def _is_of_updates(change: Change) -> bool:
    rules = [rule for rule in (change.before, change.after) if isinstance(rule, dict)]
    return change.rule.startswith("rule-") and any(
        "oldSelf" in str(rule.get("rule", "")) for rule in rules
    )


_EXACT: Final = (
    *("min-", "max-", "enum-", "minimum-", "maximum-", "exclusive-", "multiple-of-", "pattern-"),
    *("format-", "required-added", "required-removed"),
)


def concerns(change: Change, fields: Sequence[str]) -> bool:
    """Return whether what differs at some fields is due to a change."""
    is_exact = change.rule.startswith(_EXACT) or (
        change.rule.startswith("rule-") and not _names_fields(change)
    )
    for field in fields:
        if matches(change.steps, field, exactly=is_exact):
            return True
        if change.is_anywhere and any(
            matches(change.steps[:length], field, exactly=True)
            for length in range(len(change.steps))
        ):
            return True
    return not fields and not change.steps


def _names_fields(change: Change) -> bool:
    rules = [rule for rule in (change.before, change.after) if isinstance(rule, dict)]
    return any(rule.get("fieldPath") for rule in rules)


def _objects(change: Change, trial: trials.Trial) -> Iterator[JSON]:
    """Yield objects that may show a change, most likely and smallest first."""
    bases = (trial.old.schema, trial.new.schema)
    for base in bases:
        yield from _absent(change, base)
    for value in itertools.islice(_values(change), _VALUES):
        for base in bases:
            yield from _holding(base, change.steps, value)
    yield from _random(change, bases)


def _random(change: Change, bases: tuple[Schema, Schema]) -> Iterator[JSON]:
    seed = f"{change.rule} {change.path}"
    for node, base in zip((change.old, change.new), bases, strict=True):
        for value in specimens.drawn(node or {}, seed, _RANDOM):
            yield from _holding(base, change.steps, value)
    for base in bases:
        drawn = specimens.drawn(base, seed, _RANDOM)
        yield from (value for value in drawn if isinstance(value, dict))


def _unique(values: Iterator[JSON]) -> Iterator[JSON]:
    seen: set[bytes] = set()
    for value in values:
        key = canonical.dumps(value)
        if key not in seen:
            seen.add(key)
            yield value


def _absent(change: Change, base: Schema) -> Iterator[JSON]:
    """Yield the smallest objects without the field, with all that encloses it."""
    smallest = specimens.smallest(base)
    if isinstance(smallest, dict):
        yield specimens.without(smallest, change.steps)
    if change.steps:
        above = change.steps[:-1]
        parent = specimens.node_at(base, above)
        if parent is not None:
            enclosing = specimens.around(base, above, specimens.smallest(parent))
            yield specimens.without(enclosing, change.steps)


def _values(change: Change) -> Iterator[JSON]:
    first = [specimens.smallest(node) for node in (change.old, change.new) if node]
    if change.rule.startswith(("field-", "required-")):
        yield from first
    nodes = [node for node in (change.old, change.new) if node]
    yield from specimens.around_values(*nodes[:2]) if nodes else ()


def _holding(base: Schema, steps: tuple[str, ...], value: JSON) -> Iterator[JSON]:
    for copies in (1, 2) if "[]" in steps else (1,):
        whole = specimens.around(base, steps, value, copies=copies)
        if isinstance(whole, dict):
            yield whole


def _pairs(change: Change, trial: trials.Trial) -> Iterator[tuple[JSON, JSON]]:
    values = list(itertools.islice(_values(change), _PAIRED))
    objects = [
        whole for value in values for whole in _holding(trial.old.schema, change.steps, value)
    ]
    objects += [*_absent(change, trial.old.schema)]
    yield from itertools.permutations(objects, 2)


def _by_apply(change: Change) -> Verdict | None:
    """Return what server-side apply says of lists and maps that become atomic."""
    if change.rule == "list-map-keys-changed":
        witness = Witness(
            "apply",
            before="an apply finds the item by the keys before",
            after="an apply takes an item for another one",
        )
        return Verdict(Outcome.BREAKING, "an apply identifies items otherwise", witness)
    if change.rule not in {"list-type-changed", "map-type-changed"} or change.after != "atomic":
        return None
    kind = "items" if change.rule == "list-type-changed" else "entries"
    witness = Witness(
        "apply",
        before=f"an apply by a second field manager keeps the {kind} of the first",
        after=f"an apply by a second field manager replaces the {kind} of the first, or conflicts",
    )
    return Verdict(Outcome.BREAKING, f"an apply no longer merges {kind}", witness)
