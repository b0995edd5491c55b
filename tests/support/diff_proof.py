"""What `schemagen diff` says of CRDs, put to the proof with the judge and with other words.

Nothing of the command's own search is used: a witness is sent again, and objects are drawn anew.
"""

import dataclasses
import random
from typing import Any

from schemagen import judge
from schemagen.compat.changes import version_changes
from schemagen.compat.changes.changes import Audience, Outcome, Witness
from schemagen.compat.verdicts import differences
from schemagen.problems import JSON
from tests.support import diff_cases, diff_draws

JUDGED = {"create", "update", "update status", "read"}


def refuted(
    old: JSON,
    new: JSON,
    audience: Audience,
    witness: Witness,
    oracle: judge.Judge,
    *,
    is_pair: bool = False,
) -> str:
    """Why a witness does not show what it says; empty if it does."""
    if witness.request == "install":
        allowed = oracle.check_update(new, old, strict=False).allowed
        return "the update of the CRD is accepted" if allowed else ""
    if witness.request not in JUDGED or " to " in witness.version or witness.object is None:
        return ""
    names = version_changes.by_name(old), version_changes.by_name(new)
    if not all(witness.version in each for each in names):
        return ""
    with oracle.load(old) as before, oracle.load(new) as after:
        if is_pair:
            return _refuted_pair(after, witness)
        return _refuted(before, after, audience, witness)


def _refuted(
    before: judge.Loaded, after: judge.Loaded, audience: Audience, witness: Witness
) -> str:
    value = witness.object
    match witness.request:
        case "read":
            read = after.update(value, value, strict=False, stored=True)
            if audience is Audience.READERS and witness.after == value:
                earlier = _whole(before, value)
                return "it was served before" if earlier == _own(value) else ""
            return "it is read unchanged" if _own(read.object) == _own(value) else ""
        case "create":
            was = before.create(value, strict=True, stored=True)
            now = after.create(value, strict=True, stored=True)
        case "update":
            was = before.update(value, witness.old, strict=False, stored=True)
            now = after.update(value, witness.old, strict=False, stored=True)
        case _:
            was = before.update_status(value, witness.old, strict=False, stored=True)
            now = after.update_status(
                value, witness.old, strict=audience is Audience.WRITERS, stored=True
            )
    if not was.allowed:
        return f"it was refused before: {was.message}"
    if now.allowed and _own(now.object) == _own(was.object):
        return "it is answered as before"
    return ""


def _refuted_pair(after: judge.Loaded, witness: Witness) -> str:
    """Why what is stored in one version does pass through another one."""
    group = witness.object["apiVersion"].partition("/")[0]
    value, old = (
        {**(each or witness.object), "apiVersion": f"{group}/{witness.version}"}
        for each in (witness.object, witness.old)
    )
    now = after.update(value, old, strict=False, stored=True)
    if now.allowed and _own(now.object) == _own(value):
        return "it passes through the other version unchanged"
    return ""


def _whole(loaded: judge.Loaded, value: JSON) -> JSON:
    """An object as written anew, with its status; None if it is refused."""
    metadata = {
        key: value["metadata"][key]
        for key in ("name", "namespace", "labels")
        if key in value["metadata"]
    }
    sent = {**value, "metadata": metadata}
    made = loaded.create(sent, strict=False, stored=True)
    if not made.allowed:
        return None
    if "status" in value and made.object.get("status") != value["status"]:
        made = loaded.update_status(
            {**made.object, "status": value["status"]}, made.object, strict=False, stored=True
        )
    return _own(made.object) if made.allowed else None


def _own(value: JSON) -> JSON:
    """An object without what the API server gives it."""
    return None if value is None else {**value, "metadata": None}


@dataclasses.dataclass(frozen=True)
class Fault:
    """What the proof found wrong.

    Attributes:
        kind: ``missed``, ``false`` or ``traceback``.
        message: What happened.
    """

    kind: str
    message: str


@dataclasses.dataclass
class Tally:
    """What became of the pairs.

    Attributes:
        pairs: All of them.
        refused: The judge refuses one of the CRDs.
        equal: Nothing differs.
        changes: Changes that were told.
        breaking: Verdicts that something breaks.
        unproved: Verdicts that are open.
        objects: Objects that both sides were asked about.
        differing: Those that were answered otherwise.
        faults: By the number of the pair.
    """

    pairs: int = 0
    refused: int = 0
    equal: int = 0
    changes: int = 0
    breaking: int = 0
    unproved: int = 0
    objects: int = 0
    differing: int = 0
    faults: dict[int, Fault] = dataclasses.field(default_factory=dict)


class Proof:
    """Puts pairs of CRDs to the proof.

    Args:
        oracle: The judge.
        objects: How many objects to draw for each pair.
        draws: As for the command.
    """

    def __init__(self, oracle: judge.Judge, *, objects: int, draws: int = 60) -> None:
        self._oracle, self._objects, self._draws = oracle, objects, draws

    def run(self, tally: Tally, seed: int, number: int) -> None:
        """Put the pair of a number to the proof."""
        rng = random.Random(f"diff {seed} {number}")  # noqa: S311 - no secrets
        old, new = diff_draws.pair(rng, number)
        tally.pairs += 1
        try:
            fault = self._tried(tally, rng, old, new)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            fault = Fault("traceback", f"{type(error).__name__}: {error}")
        if fault is not None:
            tally.faults[number] = fault

    def _tried(self, tally: Tally, rng: random.Random, old: JSON, new: JSON) -> Fault | None:
        if not all(self._oracle.check(crd).allowed for crd in (old, new)):
            tally.refused += 1
            return None
        sides = diff_cases.definitions(old), diff_cases.definitions(new)
        found = [*differences.of(*sides, self._oracle, draws=self._draws)]
        tally.changes += len(found)
        tally.equal += not found
        said: dict[Audience, set[Outcome]] = {audience: set() for audience in Audience}
        for difference in found:
            for audience, verdict in difference.decided.verdicts.items():
                said[audience].add(verdict.outcome)
                tally.breaking += verdict.outcome is Outcome.BREAKING
                tally.unproved += verdict.outcome is Outcome.UNPROVED
                if verdict.witness is not None:
                    is_pair = difference.change.rule.startswith("pair-")
                    why = refuted(
                        old, new, audience, verdict.witness, self._oracle, is_pair=is_pair
                    )
                    if why:
                        return Fault("false", f"{difference.id} for {audience}: {why}")
        return self._asked(tally, rng, (old, new), said)

    def _asked(
        self,
        tally: Tally,
        rng: random.Random,
        crds: tuple[JSON, JSON],
        said: dict[Audience, set[Outcome]],
    ) -> Fault | None:
        """Draw objects; what is answered otherwise must have been told."""
        for name in _shared(*crds):
            nodes = [version_changes.schema_of(version_changes.by_name(crd)[name]) for crd in crds]
            with self._oracle.load(crds[0]) as before, self._oracle.load(crds[1]) as after:
                sides = Sides(before, after, nodes[0])
                for _ in range(self._objects):
                    value = diff_draws.object_of(rng, crds[0], name, rng.choice(nodes))
                    tally.objects += 1
                    for audience in sides.affected(value):
                        tally.differing += 1
                        if not said[audience] - {Outcome.SAFE}:
                            return Fault("missed", f"{audience}: {value}")
        return None


def _shared(old: JSON, new: JSON) -> list[str]:
    """The versions that both serve."""
    return [
        name
        for name, version in version_changes.by_name(old).items()
        if version["served"] and version_changes.by_name(new).get(name, {}).get("served")
    ]


@dataclasses.dataclass(frozen=True)
class Sides:
    """Both CRDs as the judge has them, and the schema before."""

    before: judge.Loaded
    after: judge.Loaded
    schema: JSON

    def affected(self, value: JSON) -> set[Audience]:
        """Whom an object shows to be affected."""
        found: set[Audience] = set()
        was = self.before.create(value, strict=True, stored=True)
        now = self.after.create(value, strict=True, stored=True)
        if was.allowed:
            if not now.allowed or known(self.schema, was.object) != known(self.schema, now.object):
                found.add(Audience.WRITERS)
            if self._is_stuck(was.object):
                found.add(Audience.STORED)
        is_same = was.allowed and now.allowed and _own(was.object) == _own(now.object)
        if now.allowed and not is_same and self._is_new(now.object):
            found.add(Audience.READERS)
        return found

    def _is_new(self, served: JSON) -> bool:
        """Whether an object could not be served before."""
        earlier = _whole(self.before, served)
        if earlier is None:
            # What the storage version drops is missing in the answer, and refused in either.
            return _whole(self.after, served) is not None
        return bool(known(self.schema, earlier) != known(self.schema, _own(served)))

    def _is_stuck(self, stored: JSON) -> bool:
        """Whether a label can no longer be set, or a field is lost."""
        labelled = {**stored, "metadata": {**stored["metadata"], "labels": {"a": "b"}}}
        now = self.after.update(labelled, stored, strict=False, stored=True)
        if not now.allowed:
            return self.before.update(labelled, stored, strict=False).allowed
        return _is_lost(_own(stored), _own(now.object))


def known(schema: JSON, value: Any) -> Any:
    """The part of an object that a schema knows."""
    if isinstance(value, dict):
        if schema.get("x-kubernetes-preserve-unknown-fields"):
            return {
                k: known(schema.get("properties", {}).get(k, schema), v) for k, v in value.items()
            }
        rest = schema.get("additionalProperties")
        nodes = schema.get("properties", {})
        return {
            key: known(nodes.get(key, rest), child)
            for key, child in value.items()
            if key != "metadata" and (key in nodes or isinstance(rest, dict))
        }
    if isinstance(value, list):
        return [known(schema.get("items") or schema, item) for item in value]
    return value


def _is_lost(before: Any, after: Any) -> bool:
    if isinstance(before, dict) and isinstance(after, dict):
        return any(key not in after or _is_lost(child, after[key]) for key, child in before.items())
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return any(map(_is_lost, before, after))
    return bool(before != after)
