"""Requirements on a change made through another version: what must survive. Pure.

A change through version B of an object that is also read in version A: what A says afterwards must
be as near to what it said before as what was written allows. So a difference in A is a loss if it
can be taken back without B noticing: the object with the difference taken back says the same in B,
by the declared steps and with defaults, and has no problem in A that it lacks now.
"""

import collections
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence

from schemagen import canonical
from schemagen.problems import JSON
from schemagen.roundtrip import differences
from schemagen.roundtrip.differences import Difference, Path
from schemagen.roundtrip.views import Views
from schemagen.versions.steps import ABSENT

Said = dict[str, JSON]

_HOLLOWS: Sequence[JSON] = (ABSENT, {})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Written:
    """A change through one version.

    Attributes:
        version: The version.
        before: What the object said in it before.
        said: What the object says in it by what was written.
        sent: The same before defaults, where the API server converts it before it sets them.
        reaches: Whether the change may reach a path; elsewhere everything stays as it was.
        own: What each version said when somebody last wrote in it.
        by: The version in which the API server sets defaults, if that is another one.
        keeps_lists: Whether no list was lengthened, shortened or rearranged.
    """

    version: str
    before: Said
    said: Said
    sent: Said
    reaches: Callable[[Path], bool]
    own: Mapping[str, Said] = dataclasses.field(default_factory=dict)
    by: str = ""
    keeps_lists: bool = False


def moved(
    views: Views, version: str, said: Mapping[str, Said], after: Said, storage: str
) -> Sequence[Difference]:
    """Return the paths that a change of the storage version altered in a version.

    Args:
        views: Of the object's kind.
        version: The version.
        said: What each version said before.
        after: What the version says now.
        storage: The version that is stored now.
    """
    found = [*differences.differences(said[version], after, views.node(version))]
    found = [*_not_by_defaults(views, version, [*views.names], found, after)]
    return [
        difference
        for difference in found
        if not _was_contradicted(views, version, difference, (said, after), storage)
    ]


def _was_contradicted(
    views: Views,
    version: str,
    one: Difference,
    sides: tuple[Mapping[str, Said], Said],
    storage: str,
) -> bool:
    """Return whether a difference is limited to values on which the versions disagreed before.

    Two of three versions may each have their own default for a value of the third that they cannot
    express. Once one of them is the storage version, its default becomes the value in all.
    """
    (said, after), node = sides, views.node(storage)

    def differing(value: Said, other: Said) -> set[Path]:
        brought = views.said(storage, views.stepped(version, value, storage))
        return {difference.path for difference in differences.differences(brought, other, node)}

    now = views.said(storage, views.stepped(version, after, storage))
    back = differing(differences.put(after, one.path, one.before), now)
    return bool(back) and back <= differing(said[version], said[storage])


def lost(
    views: Views, version: str, before: Said, after: Said, written: Written
) -> Sequence[Difference]:
    """Return the losses of a change in another version than that of the write."""
    node = views.node(version)
    found = [
        *differences.differences(
            before,
            after,
            node,
            by_index=written.keeps_lists,
            is_sorted=not views.tells_order(version),
        )
    ]
    names = views.between(version, written.version)
    found = [*_not_by_defaults(views, version, names, found, after)]
    outside = [difference for difference in found if not written.reaches(difference.path)]
    if outside or not found:
        return outside
    found = [
        difference
        for difference in found
        if not _is_excused(views, version, difference, written, after)
    ]
    kept = _unreached(views, version, found, written, after)
    kept = [difference for difference in kept if not _is_in_new(difference, before, found, kept)]
    survival = _Survival(views, version, written, after)
    return (survival.of(kept) if kept else []) or survival.repeats(found)


def _is_excused(views: Views, version: str, one: Difference, written: Written, after: Said) -> bool:
    """Whether a difference is none that a writer would call a loss.

    What a version says may be again what somebody wrote in it, when the other version has returned
    to what it said then. And an order cannot be kept where the writer's version has none.
    """
    if isinstance(one.path[-1], differences.Order) or _is_order(one):
        return not views.tells_order(written.version)
    own = written.own.get(version)
    return own is not None and _is_same_at(one.path, own, after)


def _is_order(one: Difference) -> bool:
    """Whether two lists have the same items."""
    if not (isinstance(one.before, list) and isinstance(one.after, list)):
        return False
    before, after = (sorted(map(canonical.dumps, items)) for items in (one.before, one.after))
    return before == after


def _not_by_defaults(
    views: Views, version: str, names: Sequence[str], found: Sequence[Difference], after: Said
) -> Sequence[Difference]:
    """The differences without those that are another way to say a version's default.

    An object is stored in one version and read in another by way of those in between, which the
    API server defaults only when one of them is stored.
    """
    if not found:
        return found
    middle = [name for name in names if name in views.names[1:-1] and name != version]
    filled = [_filled(views, version, name, after) for name in middle]
    return [
        difference
        for difference in found
        if not any(
            differences.is_same(differences.get(said, difference.path), difference.before)
            for said in filled
        )
    ]


def not_by_defaults(
    views: Views, version: str, found: Sequence[Difference], sent: Said
) -> Sequence[Difference]:
    """The differences without those where nothing was sent, and another version's default counts.

    Server-side apply edits an object in memory, which gets the defaults of the writer's version.
    """
    filled = [_filled(views, version, name, sent) for name in views.names if name != version]
    return [
        difference
        for difference in found
        if not (
            _is_unplaced(views, version, difference.path)
            or differences.get(sent, difference.path) is ABSENT
        )
        or not any(
            differences.is_same(differences.get(said, difference.path), difference.after)
            for said in filled
        )
    ]


def _is_unplaced(views: Views, version: str, path: Path) -> bool:
    """Whether a path goes by a place in a list that is sorted before objects are compared."""
    return not views.tells_order(version) and any(isinstance(step, int) for step in path)


def _filled(views: Views, version: str, middle: str, said: Said) -> Said:
    there = views.said(middle, views.stepped(version, said, middle))
    return views.said(version, views.stepped(middle, there, version))


def _is_in_new(
    one: Difference, before: Said, found: Sequence[Difference], kept: Sequence[Difference]
) -> bool:
    """Whether something is in an object that is new, and there because of what was written."""
    above = (one.path[:at] for at in range(1, len(one.path)))
    new = next((path for path in above if differences.get(before, path) is ABSENT), None)
    return new is not None and any(
        other.path[: len(new)] == new and other not in kept for other in found
    )


def _unreached(
    views: Views, version: str, found: Sequence[Difference], written: Written, after: Said
) -> Sequence[Difference]:
    """The differences where nothing was written: there the steps alone bring what they did.

    Nor was anything written from which the value would follow, but which the version cannot say.
    """
    before, now, sent = (
        _brought(views, version, written, state)
        for state in (written.before, written.said, written.sent)
    )
    same = [
        difference
        for difference in found
        if _is_same_at(_whole(views, version, difference.path), before, now)
    ]
    same = [
        difference
        for difference in same
        if _is_same_at(_whole(views, version, difference.path), now, sent)
    ]
    if written.by:  # what is no longer sent gets the default of the writer's version
        old, new = (
            _by_writer(views, version, written, state) for state in (written.before, written.sent)
        )
        same = [difference for difference in same if _is_same_at(difference.path, old, new)]
    unsaid = _unsaid(views, version, written, after) if same else []
    others = [_brought(views, version, written, variant) for variant in _variants(written, unsaid)]
    return [
        difference
        for difference in same
        if all(_is_same_at(difference.path, now, other) for other in others)
    ]


def _whole(views: Views, version: str, path: Path) -> Path:
    """The path of what is written as a whole where a path leads into such a field."""
    inside = (place for place in views.atomic(version) if path[: len(place)] == place)
    return next(inside, path)


def _brought(views: Views, version: str, written: Written, said: Said) -> Said:
    return views.said(version, views.stepped(written.version, said, version))


def _by_writer(views: Views, version: str, written: Written, said: Said) -> Said:
    there = views.said(written.by, views.stepped(written.version, said, written.by))
    return views.said(version, views.stepped(written.by, there, version))


def _unsaid(views: Views, version: str, written: Written, after: Said) -> list[Path]:
    """Where something was written that the version cannot say."""
    node = views.node(written.version)
    meant = views.said(written.version, views.stepped(version, after, written.version))
    return [
        difference.path
        for difference in differences.differences(written.before, written.said, node)
        if not _is_same_at(difference.path, meant, written.said)
    ]


# Values of which a version can say one or the other.
_SAYABLE: Sequence[JSON] = (0, 1, "a", "1s", True, False)


def _variants(written: Written, paths: Sequence[Path]) -> Iterator[Said]:
    """Yield variants of the written object with other values at some places."""
    for path in paths:
        for value in _SAYABLE:
            yield differences.put(written.said, path, value)


def _is_same_at(path: Path, before: Said, now: Said) -> bool:
    return differences.is_same(differences.get(before, path), differences.get(now, path))


@dataclasses.dataclass(frozen=True)
class _Survival:
    """Takes differences back together and one by one, for as long as the meaning is the same."""

    views: Views
    version: str
    written: Written
    after: Said

    def of(self, found: Sequence[Difference]) -> Sequence[Difference]:
        """Return the revertible differences."""
        same = {*self._meanings(self.after), canonical.dumps(self.written.said)}
        best = self.after
        kept: list[Sequence[Difference]] = []
        for unit in _units(found):
            candidate = self._taken_back(best, unit)
            if candidate != best and not same.isdisjoint(self._meanings(candidate)):
                best = candidate
                kept.append(unit)
        if not kept or self._is_no_worse(best):
            return self._differences(best)
        alone = (self._taken_back(self.after, unit) for unit in kept)
        good = (
            one
            for one in alone
            if not same.isdisjoint(self._meanings(one)) and self._is_no_worse(one)
        )
        return self._differences(next(good, self.after))

    def repeats(self, found: Sequence[Difference]) -> Sequence[Difference]:
        """Return the repeats of list items that must survive: their item is still listed.

        A text that the version of the write did not list before came with what was written.
        """
        listed, written = (
            _brought(self.views, self.version, self.written, said)
            for said in (self.written.before, self.written.said)
        )
        again = [
            dataclasses.replace(
                difference,
                before=_as_often(
                    difference.before,
                    difference.after,
                    differences.get(listed, difference.path),
                    differences.get(written, difference.path),
                ),
            )
            for difference in found
        ]
        return [
            difference
            for difference in again
            if not differences.is_same(difference.before, difference.after)
            and self._is_as_good(difference)
        ]

    def _is_as_good(self, one: Difference) -> bool:
        candidate = self._taken_back(self.after, [one])
        same = {*self._meanings(self.after), canonical.dumps(self.written.said)}
        return not same.isdisjoint(self._meanings(candidate)) and self._is_no_worse(candidate)

    def _taken_back(self, said: Said, unit: Sequence[Difference]) -> Said:
        for difference in unit:
            said = differences.put(said, difference.path, difference.before)
        return self.views.said(self.version, said)

    def _meanings(self, said: Said) -> set[bytes]:
        """Return the possible meanings of an object; a hollow one may be present or absent."""
        through, hollows = self.written.version, _HOLLOWS
        return {self.views.meaning(self.version, said, through, hollow) for hollow in hollows}

    def _is_no_worse(self, said: Said) -> bool:
        problems = self.views.problems(self.version, said)
        if any(problem.hides_others for problem in problems):
            return False  # nobody can tell
        return not problems or problems <= self.views.problems(self.version, self.after)

    def _differences(self, better: Said) -> Sequence[Difference]:
        return [*differences.differences(better, self.after, self.views.node(self.version))]


def _as_often(before: JSON, after: JSON, listed: JSON, written: JSON) -> JSON:
    """Return a list with each of its items as often as it must be there still.

    Args:
        before: The list before.
        after: The list.
        listed: What the version of the write listed before. It could take that away; and what it
            did not list is new, unless objects are known by more than their value.
        written: What it lists by what was written.
    """
    if not (isinstance(before, list) and isinstance(after, list)):
        return after
    counts, now, could, says = map(_occurrences, (before, after, listed, written))
    items = []
    for item in after:
        text = canonical.dumps(item)
        is_new = isinstance(listed, list) and not isinstance(item, dict) and not could[text]
        wanted = min(counts[text], counts[text] - could[text] + says[text])
        items += [item] * (1 + (0 if is_new else max(wanted - now[text], 0)))
        del counts[text]
    return items


def _occurrences(value: JSON) -> collections.Counter[bytes]:
    return collections.Counter(map(canonical.dumps, value if isinstance(value, list) else ()))


def _units(found: Sequence[Difference]) -> Iterator[Sequence[Difference]]:
    """Yield what may be reverted together: everything below one place, the whole object first."""
    above = dict.fromkeys(
        difference.path[:at] for difference in found for at in range(len(difference.path))
    )
    groups = (
        [difference for difference in found if difference.path[: len(path)] == path]
        for path in sorted(above, key=len)
    )
    yield from (group for group in groups if len(group) > 1)
    singles = [[difference] for difference in found]
    yield from singles
    yield from singles  # one may need another that came later
