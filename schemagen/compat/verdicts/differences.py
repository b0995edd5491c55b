"""All differences between two sets of CRDs, each decided for every audience."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from schemagen import judge
from schemagen.compat import sources
from schemagen.compat.changes import definition_changes, schema_changes, version_changes
from schemagen.compat.changes.changes import Audience, Change, Decided, Outcome, Verdict, Witness
from schemagen.compat.verdicts import served_pairs, slices, trials, verdicts
from schemagen.crd.definitions import NOWHERE
from schemagen.problems import JSON

_DATA: Final = "no object is served otherwise"
_REFUSED: Final = "the API server refuses this update of the CRD"


@dataclasses.dataclass(frozen=True)
class Difference:
    """A decided change and the CRD that it is in.

    Attributes:
        crd: ``widgets.example.com``.
        decided: The change, and what it means.
        source: The file that shows it.
        line: Its line there; 0 where there are none.
    """

    crd: str
    decided: Decided
    source: str = ""
    line: int = 0

    @property
    def change(self) -> Change:
        """Return the change."""
        return self.decided.change

    @property
    def outcome(self) -> Outcome:
        """Return what it means to those whom it concerns most."""
        return self.decided.outcome

    @property
    def id(self) -> str:
        """Return what identifies it in an allow-list: ``CRD/VERSION/PATH/RULE``."""
        change = self.change
        return "/".join((self.crd, change.version or "*", change.path or ".", change.rule))


def of(
    old: Mapping[str, sources.Definition],
    new: Mapping[str, sources.Definition],
    oracle: judge.Judge,
    *,
    draws: int = verdicts.DRAWS,
) -> Iterator[Difference]:
    """Yield the differences between two sets of CRDs, by name.

    Args:
        old: CRDs by name.
        new: Likewise.
        oracle: The API server's validation.
        draws: Objects to try for a change at most.
    """
    renamed = _renamed(old, new)
    for name in sorted(old.keys() | new.keys()):
        if name in renamed.values():
            continue
        if name in renamed:
            yield _replaced(old[name], new[renamed[name]])
        elif name not in new:
            yield _removed(old[name])
        elif name not in old:
            change = Change("crd-added", f"{KIND} added", after=name)
            yield _placed(
                new[name],
                new[name],
                Decided(change, definition_changes.safe("nobody could use it before")),
            )
        else:
            yield from _of_one(old[name], new[name], oracle, draws)


KIND: Final = sources.KIND


def _renamed(
    old: Mapping[str, sources.Definition], new: Mapping[str, sources.Definition]
) -> dict[str, str]:
    """Return the new names of CRDs that were given another plural or group."""
    found: dict[str, str] = {}
    for name in sorted(old.keys() - new.keys()):
        spec = old[name].value["spec"]
        for other in sorted(new.keys() - old.keys() - set(found.values())):
            candidate = new[other].value["spec"]
            kinds = [(each.get("names") or {}).get("kind") for each in (spec, candidate)]
            is_same = [_schemas(each) for each in (spec, candidate)]
            groups = spec.get("group"), candidate.get("group")
            if kinds[0] == kinds[1] or (is_same[0] == is_same[1] and groups[0] == groups[1]):
                found[name] = other
                break
    return found


def _schemas(spec: JSON) -> JSON:
    return [schema_changes.stripped(version_changes.schema_of(v)) for v in spec["versions"]]


def _gone(definition: sources.Definition) -> dict[Audience, Verdict]:
    path = definition_changes.collection(definition.value)
    after = "404: the server could not find the requested resource"
    reason = "the API is no longer served"
    return {
        Audience.WRITERS: definition_changes.breaking(
            reason, Witness(f"POST {path}", "201", after)
        ),
        Audience.READERS: definition_changes.breaking(reason, Witness(f"GET {path}", "200", after)),
        Audience.STORED: definition_changes.breaking(
            "deleting a CRD deletes its objects", Witness(f"GET {path}", "200", after)
        ),
    }


def _removed(old: sources.Definition) -> Difference:
    change = Change("crd-removed", f"{KIND} removed", before=old.name)
    return _placed(old, old, Decided(change, _gone(old)))


def _replaced(old: sources.Definition, new: sources.Definition) -> Difference:
    change = Change(
        "crd-renamed",
        f"renamed to {new.name}; no object moves",
        before=old.name,
        after=new.name,
        place="metadata.name",
    )
    return _placed(old, new, Decided(change, _gone(old)))


def _placed(old: sources.Definition, shown: sources.Definition, decided: Decided) -> Difference:
    place = decided.change.place or "metadata.name"
    return Difference(old.name, decided, shown.source, shown.line_of(place))


def _of_one(
    old: sources.Definition, new: sources.Definition, oracle: judge.Judge, draws: int
) -> Iterator[Difference]:
    """Yield the differences of a CRD that is in both sets."""
    before, after = _with_placeholder(old.value, new.value)
    parts = [{"spec": each["spec"], "metadata": each["metadata"]} for each in (before, after)]
    if parts[0] == parts[1]:
        return
    found = [*_decided(before, after, oracle, draws)]
    if all(
        decided.outcome is not Outcome.BREAKING or not _is_refusal(decided) for decided in found
    ):
        refusal = _refused(before, after, found, oracle)
        found = [*refusal, *found]
    for decided in found:
        yield _placed(old, new, decided)


def _with_placeholder(before: JSON, after: JSON) -> tuple[JSON, JSON]:
    """Return two CRDs whose conversion is the same where an Api leaves it to the deployment.

    ``schemagen generate`` writes no conversion; an Api read directly has a placeholder for it.
    """
    crds = [before, after]
    for index, (crd, other) in enumerate(((before, after), (after, before))):
        config = ((other["spec"].get("conversion") or {}).get("webhook") or {}).get("clientConfig")
        if config == NOWHERE and not crd["spec"].get("conversion"):
            conversion = other["spec"]["conversion"]
            crds[index] = {**crd, "spec": {**crd["spec"], "conversion": conversion}}
    return crds[0], crds[1]


def _decided(before: JSON, after: JSON, oracle: judge.Judge, draws: int) -> Iterator[Decided]:
    yield from definition_changes.of_names(before, after)
    yield from version_changes.of(before, after)
    versions = version_changes.by_name(before)
    for index, version in enumerate(after["spec"]["versions"]):
        earlier = versions.get(version["name"])
        if earlier is None:
            continue
        is_served = bool(earlier.get("served") and version.get("served"))
        if is_served:
            for decided in definition_changes.of_version(earlier, version, after):
                yield _in_version(decided, index)
        if is_served or (earlier.get("storage") and version.get("storage")):
            place = f"spec.versions[{index}].schema.openAPIV3Schema"
            pair = ((before, earlier), (after, version))
            yield from _of_schemas(pair, place, oracle, draws, is_served=is_served)

    def opened(one: tuple[JSON, JSON], other: tuple[JSON, JSON]) -> trials.Trial | str:
        return _opened(oracle, one, other, is_stored=False)

    yield from served_pairs.of(before, after, opened, draws=draws)


def _in_version(decided: Decided, index: int) -> Decided:
    place = f"spec.versions[{index}].{decided.change.place or 'name'}"
    return dataclasses.replace(decided, change=dataclasses.replace(decided.change, place=place))


def _of_schemas(
    pair: tuple[tuple[JSON, JSON], tuple[JSON, JSON]],
    place: str,
    oracle: judge.Judge,
    draws: int,
    *,
    is_served: bool,
) -> Iterator[Decided]:
    one, other = (version_changes.schema_of(version) for _, version in pair)
    changes = [*schema_changes.compare(one, other, version=pair[1][1]["name"], place=place)]
    audiences: Sequence[Audience] = tuple(Audience) if is_served else (Audience.STORED,)
    if all(set(audiences) <= change.safe.keys() for change in changes):
        trial: trials.Trial | str = ""
    else:
        trial = _opened(oracle, *pair)
    with contextlib.ExitStack() as stack:
        if isinstance(trial, trials.Trial):
            stack.callback(trial.close)
        for change in changes:
            yield Decided(
                change,
                verdicts.decide(
                    change,
                    trial if isinstance(trial, trials.Trial) else None,
                    draws=draws,
                    refusal=trial if isinstance(trial, str) else "",
                    audiences=audiences,
                ),
            )


def _opened(
    oracle: judge.Judge,
    one: tuple[JSON, JSON],
    other: tuple[JSON, JSON],
    *,
    is_stored: bool = True,
) -> trials.Trial | str:
    """Return both sides of a version, cut to what differs, or why the judge refuses one.

    Args:
        oracle: The judge.
        one: A CRD and its version.
        other: Likewise.
        is_stored: Whether objects pass through the storage version.
    """
    schemas = slices.schemas(*(version_changes.schema_of(version) for _, version in (one, other)))
    sides: list[trials.Side] = []
    for (crd, version), schema in zip((one, other), schemas, strict=True):
        try:
            storage = _storage(crd, version) if is_stored else None
            cut = slices.definition(crd, version, schema, storage=storage)
            sides.append(trials.Side(oracle, cut))
        except judge.JudgeError as error:
            for side in sides:
                side.close()
            when = "now" if sides else "before"
            return f"the judge refuses the CRD of {when}, so that no object could be tried: {error}"
    return trials.Trial(*sides)


def _storage(crd: JSON, version: JSON) -> JSON | None:
    """Return the version through which objects of another one are stored unconverted."""
    if version.get("storage") or version_changes.strategy(crd) != "None":
        return None
    return next((each for each in crd["spec"]["versions"] if each.get("storage")), None)


def _is_refusal(decided: Decided) -> bool:
    """Return whether a change says itself that the CRD's update is refused."""
    return any(
        verdict.witness is not None and verdict.witness.request == "install"
        for verdict in decided.verdicts.values()
    )


def _refused(
    before: JSON, after: JSON, found: Sequence[Decided], oracle: judge.Judge
) -> Iterator[Decided]:
    """Yield whether the API server refuses to update the CRD."""
    if all(decided.change.rule in _HARMLESS for decided in found):
        return
    if all(map(_is_local, found)):
        old, new = slices.whole(before, after)
        if oracle.check_update(new, old, strict=False).allowed:
            return  # what is left out is the same in both
    verdict = oracle.check_update(_stripped(after), _stripped(before), strict=False)
    if verdict.allowed:
        return
    change = Change("update-refused", f"cannot be installed: {verdict.message}", place="spec")
    witness = Witness("install", before="accepted", after=verdict.message)
    yield Decided(change, dict.fromkeys(Audience, definition_changes.breaking(_REFUSED, witness)))


_HARMLESS: Final = frozenset(
    {"description-changed", "title-changed", "label-changed", "annotation-changed"}
)


_LOCAL: Final = (
    *("description-", "field-removed", "required-", "minimum-", "maximum-", "pattern-", "enum-"),
    *("nullable-", "default-", "max-length-lowered", "max-length-added", "min-length-"),
)


def _is_local(decided: Decided) -> bool:
    """Return whether a change makes no other part of a CRD invalid, nor a rule more expensive."""
    change = decided.change
    if change.rule == "field-added":
        return "x-kubernetes-validations" not in str(change.after)
    return change.rule.startswith(_LOCAL)


def _stripped(crd: JSON) -> JSON:
    """Return a CRD without the documentation of its schemas, which makes up most of it."""
    versions = [
        {**version, "schema": {"openAPIV3Schema": schema_changes.stripped(schema)}}
        if (schema := version_changes.schema_of(version))
        else version
        for version in crd["spec"]["versions"]
    ]
    return {**crd, "spec": {**crd["spec"], "versions": versions}}
