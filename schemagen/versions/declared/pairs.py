"""The conversion between two adjacent versions, from the steps that a file lists. Pure."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from schemagen.versions import records, steps
from schemagen.versions.declared import field_paths, file_format
from schemagen.versions.declared.file_format import Part, ValueStep, VersionPair
from schemagen.versions.declared.placing import Placed, Placing
from schemagen.versions.declared.value_steps import ValueSteps
from schemagen.versions.schema_places import Fault, Node
from schemagen.versions.steps import Path, Step

Lines = Callable[[str], str]
"""Returns ``FILE:LINE`` of a field of the list of steps."""


class Maker:
    """Makes the conversion of a pair of versions, and collects what is wrong with it.

    Args:
        old: The older version's whole object.
        new: The newer version's.
        place: Returns ``FILE:LINE`` of a field of the pair.
    """

    def __init__(self, old: Node, new: Node, place: Lines) -> None:
        self._old, self._new, self._place = old, new, place
        self.faults: list[Fault] = []

    def conversion(self, pair: VersionPair) -> records.Conversion:
        """Return the conversion."""
        listed = _Steps(self._old, self._new, self.faults)
        parts = [
            placed
            for index, part in enumerate(pair.steps)
            for placed in listed.placed(part, self._place(f"steps[{index}]"))
        ]
        placing = Placing(self._old, self._new, self._place(""))
        record = placing.conversion(parts)
        self.faults += placing.faults
        unordered = [".".join(path) for path in self._unordered(pair)]
        return records.Conversion(record, tuple(unordered))

    def _unordered(self, pair: VersionPair) -> Iterator[Path]:
        for index, text in enumerate(pair.unordered):
            path = field_paths.parsed(text)
            if path is None:
                line = self._place(f"unordered[{index}]")
                self.faults.append(_malformed(text, self._new, line))
            else:
                yield path


def _malformed(text: str, node: Node, line: str) -> Fault:
    return Fault(
        node.place,
        f"expected a path such as spec.ports[].name, got {text!r}",
        line,
    )


class _Steps:
    """The steps of an object, with paths relative to it."""

    def __init__(self, old: Node, new: Node, faults: list[Fault]) -> None:
        self._old, self._new, self.faults = old, new, faults

    def placed(self, part: Part, line: str) -> Iterator[Placed]:
        """Return an entry of a list of steps with the paths that it touches."""
        yield from getattr(self, f"_{part.name}")(part.arguments, line)

    def _paths(self, texts: Sequence[str], node: Node, line: str) -> list[Path] | None:
        """Return paths as their names; None if one of them is malformed."""
        paths = [field_paths.parsed(text) for text in texts]
        wrong = [text for text, path in zip(texts, paths, strict=True) if path is None]
        self.faults += [_malformed(text, node, line) for text in wrong]
        return None if wrong else [path for path in paths if path is not None]

    def _ends(
        self, olds: Sequence[str], news: Sequence[str], line: str
    ) -> tuple[tuple[Path, ...], tuple[Path, ...]] | None:
        found = self._paths(olds, self._old, line), self._paths(news, self._new, line)
        return None if found[0] is None or found[1] is None else (tuple(found[0]), tuple(found[1]))

    def _keep(self, given: Sequence[str], line: str) -> Iterator[Placed]:
        for text in given:
            yield from self._moved(text, text, None, line)

    def _move(self, given: file_format.Move, line: str) -> Iterator[Placed]:
        yield from self._moved(given.from_, given.to, given.step, line)

    def _same_name(self, given: file_format.SameName, line: str) -> Iterator[Placed]:
        yield from self._moved(given.path, given.path, given.step, line)

    def _moved(self, old: str, new: str, entry: ValueStep | None, line: str) -> Iterator[Placed]:
        ends = self._ends([old], [new], line)
        if ends is None:
            return
        if entry is None or entry.name == "keep":
            yield Placed(olds=ends[0], news=ends[1], line=line)
            return
        step = self._step(entry, ends[0][0], ends[1][0], line)
        yield self._placed(ends, line, lambda olds, news: [_move(olds[0], news[0], step, line)])

    def _step(self, entry: ValueStep | None, old: Path, new: Path, line: str) -> Step:
        here, there = (
            place if isinstance(place, Node) else None
            for place in (field_paths.place(self._old, old), field_paths.place(self._new, new))
        )
        return self._value_steps(line).step(entry, here, there, line)

    def _value_steps(self, line: str) -> ValueSteps:
        record = functools.partial(self._record, line)
        return ValueSteps(record, functools.partial(self._in_place, line), self.faults)

    def _record(self, line: str, parts: Sequence[Part], old: Node, new: Node) -> Step:
        """Return the record of an object below, with paths relative to it."""
        listed = _Steps(old, new, self.faults)
        placing = Placing(old, new, line)
        record = placing.record([placed for part in parts for placed in listed.placed(part, line)])
        self.faults += placing.faults
        return record

    def _in_place(self, line: str, old: Node, new: Node) -> Step:
        placing = Placing(old, new, line)
        step = placing.container()
        self.faults += placing.faults
        return step

    def _forget(self, given: file_format.Paths, line: str) -> Iterator[Placed]:
        yield from self._silent(records.forget, given, line)

    def _unrelated(self, given: file_format.Paths, line: str) -> Iterator[Placed]:
        yield from self._silent(records.unrelated, given, line)

    def _silent(
        self, act: Callable[..., records.Part], given: file_format.Paths, line: str
    ) -> Iterator[Placed]:
        ends = self._ends(given.old, given.new, line)
        if ends is not None:
            yield self._placed(ends, line, lambda olds, news: [act(*olds, new=tuple(news))])

    def _constant(self, given: file_format.Constant, line: str) -> Iterator[Placed]:
        yield from self._value(
            [given.path], [], line, lambda name: records.Constant(name, given.value)
        )

    def _implied(self, given: file_format.Constant, line: str) -> Iterator[Placed]:
        yield from self._value(
            [], [given.path], line, lambda name: records.Implied(name, given.value)
        )

    def _written_out(self, given: file_format.Default, line: str) -> Iterator[Placed]:
        yield from self._value(
            [given.path], [given.path], line, lambda name: records.written_out(name, given.default)
        )

    def _value(
        self,
        old: Sequence[str],
        new: Sequence[str],
        line: str,
        part: Callable[[str], records.Part],
    ) -> Iterator[Placed]:
        """A field with a value of its own, by its name in a record."""
        ends = self._ends(old, new, line)
        if ends is not None:
            yield self._placed(
                ends, line, lambda olds, news: [part([*olds, *news][0])], has_names=True
            )

    def _sentinel(self, given: file_format.Sentinel, line: str) -> Iterator[Placed]:
        ends = self._ends([given.from_], [given.to, given.place], line)
        if ends is None:
            return
        step = self._step(given.step, ends[0][0], ends[1][0], line)

        def make(olds: Sequence[str], news: Sequence[str]) -> list[records.Part]:
            move = _move(olds[0], news[0], step, line)
            return [records.Sentinel(move, given.old, tuple(news[1].split(".")), given.new)]

        yield self._placed(ends, line, make)

    def _open_words(self, given: file_format.OpenWords, line: str) -> Iterator[Placed]:
        detail = ".".join([*given.path.split(".")[:-1], given.detail])
        ends = self._ends([given.path], [given.path, detail], line)
        if ends is None:
            return
        words, other = frozenset(given.words), given.other
        yield self._placed(
            ends,
            line,
            lambda olds, _: [records.OpenWords(olds[0], words, other, given.detail)],
            has_names=True,
        )

    def _first_of(self, given: Sequence[file_format.Move], line: str) -> Iterator[Placed]:
        ends = self._ends([move.from_ for move in given], [move.to for move in given], line)
        if ends is None:
            return
        made = [
            self._step(move.step, old, new, line)
            for move, old, new in zip(given, *ends, strict=True)
        ]

        def make(olds: Sequence[str], news: Sequence[str]) -> list[records.Part]:
            moves = [_move(*paths, line) for paths in zip(olds, news, made, strict=True)]
            return [records.FirstOf(tuple(moves))]

        yield self._placed(ends, line, make)

    def _flat_union(self, given: file_format.FlatUnion, line: str) -> Iterator[Placed]:
        """A union is converted in the record of its object, whose path its fields get."""
        prefix = f"{given.path}." if given.path else ""
        news = [f"{prefix}{arm.to}" for arm in given.arms.values()]
        ends = self._ends([f"{prefix}{given.tag}"], news, line)
        if ends is None:
            return
        here = field_paths.place(self._old, ends[0][0][:-1])
        arms: dict[str, tuple[str, Step]] = {}
        for (word, arm), path in zip(given.arms.items(), ends[1], strict=True):
            there = field_paths.place(self._new, path)
            if isinstance(here, Node) and isinstance(there, Node):
                arms[word] = arm.to, self._record(line, arm.steps, here, there)
        yield self._placed(
            ends, line, lambda olds, _: [records.flat_union(olds[0], **arms)], has_names=True
        )

    def _split(self, given: file_format.Split, line: str) -> Iterator[Placed]:
        yield from self._pieces(given.from_, given.to, given, line)

    def _join(self, given: file_format.Join, line: str) -> Iterator[Placed]:
        yield from self._pieces(given.to, given.from_, given, line, is_joined=True)

    def _pieces(
        self,
        whole: str,
        pieces: Sequence[str | file_format.Piece],
        given: file_format.Split | file_format.Join,
        line: str,
        *,
        is_joined: bool = False,
    ) -> Iterator[Placed]:
        """A string that is split upwards, or joined upwards."""
        texts = [piece if isinstance(piece, str) else piece.path for piece in pieces]
        entries = [None if isinstance(piece, str) else piece.step for piece in pieces]
        ends = self._ends(texts, [whole], line) if is_joined else self._ends([whole], texts, line)
        if ends is None:
            return
        made = [self._value_steps(line).step(entry, None, None, line) for entry in entries]

        def make(olds: Sequence[str], news: Sequence[str]) -> list[records.Part]:
            source, parts = (news[0], olds) if is_joined else (olds[0], news)
            split = records.split(
                source, dict(zip(parts, made, strict=True)), given.separator, last=given.last
            )
            return [records.inverse(split) if is_joined else split]

        yield self._placed(ends, line, make)

    def _placed(
        self,
        ends: tuple[tuple[Path, ...], tuple[Path, ...]],
        line: str,
        make: "_Make",
        *,
        has_names: bool = False,
    ) -> Placed:
        """Return a step with its paths; ``has_names`` if they must be names in a record."""

        def made(old: Path, new: Path) -> Sequence[records.Part]:
            olds = [".".join(path[len(old) :]) for path in ends[0]]
            news = [".".join(path[len(new) :]) for path in ends[1]]
            apart = [path for path in (*olds, *news) if "." in path]
            if has_names and apart:
                message = (
                    "expected a step of an object that no other step takes a field out of, or into;"
                    f" got {apart[0]}, whose object's fields are converted one by one"
                )
                self.faults.append(Fault(self._old.place, message, line))
                return []
            return make(olds, news)

        return Placed(olds=ends[0], news=ends[1], line=line, make=made)


_Make: TypeAlias = Callable[[Sequence[str], Sequence[str]], Sequence[records.Part]]
"""Makes parts from dotted paths in a record."""


def _move(old: str, new: str, step: steps.Step, line: str) -> records.Move:
    return records.Move(tuple(old.split(".")), tuple(new.split(".")), step, line=line)
