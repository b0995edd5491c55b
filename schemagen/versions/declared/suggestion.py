"""Suggest the conversion between two versions as a file, with questions where names do not tell.

Fields of one version are matched with those of the other by the words of their names and by their
types. What is not matched is kept as residue, so a suggestion is never lossy; a wrong match would
give a value another meaning, so a doubtful one is a question, and no step.
"""

import dataclasses
import difflib
from collections.abc import Iterable, Iterator, Sequence

from schemagen import yaml
from schemagen.problems import JSON
from schemagen.versions import schema_places
from schemagen.versions.declared import file_format, guesses
from schemagen.versions.declared.guesses import Guess
from schemagen.versions.schema_places import ITEMS, VALUES, Node

# A match of names is taken from here on, if no other one is nearly as good.
_TAKEN = 0.6
_MARGIN = 0.1
_ASKED = 0.45
# Letters alone say less than words: «paused» and «used».
_LETTERS = 0.75
_ENVELOPE = ("apiVersion", "kind", "metadata")


@dataclasses.dataclass(frozen=True)
class Question:
    """A question that a suggestion leaves to the author.

    Attributes:
        path: The field that it is about.
        text: The question.
    """

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


@dataclasses.dataclass
class Suggestion:
    """The steps between two versions.

    Attributes:
        older: Name of the older version.
        newer: Name of the newer version.
        steps: Steps, as a file has them.
        questions: What nobody but the author knows.
        unordered: Paths of the newer version's lists that are maps in the older one.
    """

    older: str
    newer: str
    steps: list[JSON] = dataclasses.field(default_factory=list)
    questions: list[Question] = dataclasses.field(default_factory=list)
    unordered: list[str] = dataclasses.field(default_factory=list)

    @property
    def pair(self) -> dict[str, JSON]:
        """Return the conversion as a file has it."""
        found: dict[str, JSON] = {"from": self.older, "to": self.newer}
        if self.unordered:
            found["unordered"] = self.unordered
        return found | ({"steps": self.steps} if self.steps else {})


def between(old: Node, new: Node) -> Suggestion:
    """Return the steps between two whole objects."""
    found = Suggestion(old.version, new.version)
    _Pair(found).objects(old, new)
    return found


def text(name: str, suggestions: Sequence[Suggestion], command: str) -> str:
    """Return the file of a CRD, with its questions as comments."""
    document = {
        "apiVersion": file_format.API_VERSION,
        "kind": file_format.KIND,
        "metadata": {"name": name},
        "spec": {"conversions": [suggestion.pair for suggestion in suggestions]},
    }
    lines = [f"# Suggested by `{command}`. Fields that both versions have are kept by themselves,"]
    lines += ["# and those that only one has stay with the object."]
    for suggestion in suggestions:
        for question in suggestion.questions:
            lines.append(f"# QUESTION {suggestion.older} to {suggestion.newer}, {question}")
    return "\n".join(lines) + "\n" + yaml.dumps(document)


@dataclasses.dataclass(frozen=True)
class _Match:
    """Two fields that may be one."""

    score: float
    old: Node
    new: Node
    guess: Guess


class _Pair:
    """Compares objects, and adds what it finds to a suggestion."""

    def __init__(self, found: Suggestion) -> None:
        self._found = found

    def objects(self, old: Node, new: Node) -> None:
        """Compare two objects field by field."""
        gone: list[Node] = []
        come: list[Node] = []
        self._fields(old, new, gone, come)
        self._matches(gone, come)

    def _fields(self, old: Node, new: Node, gone: list[Node], come: list[Node]) -> None:
        """Compare the fields that both have, and collect those that one has."""
        for name in dict.fromkeys((*old.fields, *new.fields)):
            here, there = old.field(name), new.field(name)
            if not old.path and name in _ENVELOPE:
                continue
            if name not in new.fields and here is not None:
                gone.append(here)
            elif name not in old.fields and there is not None:
                come.append(there)
            elif here is not None and there is not None:
                self._both(here, there, gone, come)

    def _both(self, old: Node, new: Node, gone: list[Node], come: list[Node]) -> None:
        """Compare a field of both versions."""
        if old.type == new.type == "object":
            self._fields(old, new, gone, come)
            return
        inner = _inner(old, new)
        guess = guesses.of(old, new)
        if inner is not None and inner[0].type == inner[1].type == "object":
            self.objects(*inner)
        elif guess is not None:
            self._step(old, new, guess)
        elif inner is not None and (guess := guesses.of(*inner)) is not None:
            around = "each" if old.type == "list" else "values"
            step = None if guess.step is None else {around: guess.step}
            self._step(old, new, Guess(step, guess.question))
        else:
            self._unlike(old, new)

    def _unlike(self, old: Node, new: Node) -> None:
        """A field of both versions that no step is known for."""
        inner = _inner_name(old, new)
        if inner is not None:
            self._move(old, inner, guesses.of(old, inner) or Guess())
            return
        here, there = _text(old.path), _text(new.path)
        self._found.steps.append({"unrelated": {"old": [here], "new": [there]}})
        got = (
            f"{schema_places.with_article(old.type)} in {old.version} and "
            f"{schema_places.with_article(new.type)} in {new.version}"
        )
        if old.type == new.type:
            got = f"other values in {new.version}"
        question = f"which step converts it? It is {got}; until then unrelated keeps both"
        self._found.questions.append(Question(here, question))

    def _step(self, old: Node, new: Node, guess: Guess) -> None:
        """Add the step of a field of both versions."""
        if guess.step is not None:
            self._move(old, new, guess)

    def _move(self, old: Node, new: Node, guess: Guess) -> None:
        here, there = _text(old.path), _text(new.path)
        step = {"step": guess.step} if guess.step is not None else {}
        if here == there:
            self._found.steps.append({"sameName": {"path": here, **step}})
        else:
            self._found.steps.append({"move": {"from": here, "to": there, **step}})
        if isinstance(guess.step, dict) and "mapToList" in guess.step:
            self._found.unordered.append(there)
        if guess.question:
            self._found.questions.append(Question(here, guess.question))

    # --- names ----------------------------------------------------------------------------------

    def _matches(self, gone: Sequence[Node], come: Sequence[Node]) -> None:
        """Find fields of one version among those of the other by their names and types."""
        olds = [node for top in gone for node in guesses.fields_below(top)]
        news = [node for top in come for node in guesses.fields_below(top)]
        matches = sorted(_scored(olds, news), key=lambda one: (-one.score, one.old.path))
        taken: list[Node] = []
        for match in matches:
            if match.score < _TAKEN or any(_overlaps(match, node) for node in taken):
                continue
            rivals = [
                other for other in matches if other is not match and _is_rival(other, match, taken)
            ]
            if rivals:
                self._ask(match, rivals)
            else:
                self._moved(match)
            taken += [match.old, match.new]
        self._rest(gone, come, taken, matches)

    def _moved(self, match: _Match) -> None:
        """Add the step of a field with another name, and of what is in it."""
        self._move(match.old, match.new, match.guess)
        old, new = match.old, match.new
        if match.guess.step is None and old.type == new.type == "object":
            self.objects(old, new)
        inner = _inner(old, new)
        if match.guess.step is None and inner is not None and inner[0].type == "object":
            self.objects(*inner)

    def _ask(self, match: _Match, rivals: Sequence[_Match]) -> None:
        pairs = dict.fromkeys((_text(pair.old.path), _text(pair.new.path))
                              for pair in (match, *rivals))  # fmt: skip
        named = " or ".join(f"{new} of {old}" for old, new in pairs)
        question = f"which is the new name? Perhaps {named}; add a move, or none if it is gone"
        self._found.questions.append(Question(_text(match.old.path), question))

    def _rest(
        self,
        gone: Iterable[Node],
        come: Sequence[Node],
        taken: Sequence[Node],
        matches: Sequence[_Match],
    ) -> None:
        """Ask about the fields that are left."""
        lost = [node for node in gone if not _is_taken(node, taken)]
        fresh = [node for node in come if not _is_taken(node, taken)]
        for node in lost:
            similar = [
                match.new for match in matches if match.old is node and match.score >= _ASKED
            ]
            similar = [other for other in similar if other not in taken]
            alike = [other for other in fresh if _is_only(node, other, lost, fresh)]
            for rival in dict.fromkeys((*similar, *alike)):
                question = (
                    f"is it {_text(rival.path)} of {rival.version} now? Then add: "
                    f"- move: {{from: {_text(node.path)}, to: {_text(rival.path)}}}"
                )
                self._found.questions.append(Question(_text(node.path), question))
        for node in fresh:
            if _is_required(node) and "default" not in node.schema:
                question = (
                    f"{node.version} requires it and {self._found.older} has nothing like it: "
                    "which value does an older object imply (implied)?"
                )
                self._found.questions.append(Question(_text(node.path), question))


def _inner(old: Node, new: Node) -> tuple[Node, Node] | None:
    """Return the items of two lists, or the values of two maps."""
    pair: tuple[Node | None, Node | None] = (None, None)
    if old.type == new.type == "list":
        pair = old.items, new.items
    elif old.type == new.type == "map":
        pair = old.values, new.values
    return None if pair[0] is None or pair[1] is None else (pair[0], pair[1])


def _scored(olds: Sequence[Node], news: Sequence[Node]) -> Iterator[_Match]:
    for old in olds:
        for new in news:
            guess = _guess(old, new)
            if guess is not None:
                yield _Match(_similarity(old, new, guess), old, new, guess)


def _guess(old: Node, new: Node) -> Guess | None:
    """Return how one field becomes another; objects and lists of objects by what is in them."""
    inside = [(old, new)]
    if old.type == new.type == "list" and old.items is not None and new.items is not None:
        inside.append((old.items, new.items))
    if any(one.type == other.type == "object" for one, other in inside):
        pair = next(pair for pair in inside if pair[0].type == pair[1].type == "object")
        return Guess() if {*pair[0].fields} & {*pair[1].fields} else None
    return guesses.of(old, new)


def _similarity(old: Node, new: Node, guess: Guess) -> float:
    """Return how much the names of two fields have in common: 1 if they are the same words."""
    depth = _common(old.path, new.path)
    here, there = _words(old.path[depth:]), _words(new.path[depth:])
    if guess.step is not None:
        here, there = _without_unit(here), _without_unit(there)
    shared = len({*here} & {*there})
    by_words = 2 * shared / (len({*here}) + len({*there})) if here and there else 0.0
    by_letters = difflib.SequenceMatcher(None, "".join(here), "".join(there)).ratio()
    return max(by_words, by_letters * _LETTERS)


def _words(path: Sequence[str]) -> list[str]:
    return [word for part in path for word in guesses.words_of(part)]


def _without_unit(words: list[str]) -> list[str]:
    is_unit = len(words) > 1 and guesses.unit_of(words[-1]) != ""
    return words[:-1] if is_unit else words


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    pairs = zip(old[:-1], new[:-1], strict=False)
    return next((at for at, (one, other) in enumerate(pairs) if one != other), min(
        len(old), len(new)) - 1)  # fmt: skip


def _overlaps(match: _Match, node: Node) -> bool:
    """Return whether a match is of a taken field, of one in it, or of one around it."""
    ends = [end.path for end in (match.old, match.new) if end.version == node.version]
    return any(_is_around(path, node.path) or _is_around(node.path, path) for path in ends)


def _is_around(path: Sequence[str], other: Sequence[str]) -> bool:
    return tuple(other[: len(path)]) == tuple(path)


def _is_rival(one: _Match, match: _Match, taken: Sequence[Node]) -> bool:
    """Return whether another match of one of the fields is nearly as good."""
    shares = (one.old is match.old) != (one.new is match.new)
    is_inner = one.old is match.old and _is_around(match.new.path, one.new.path)
    is_free = not any(_overlaps(one, node) for node in taken)
    return shares and is_free and not is_inner and one.score > match.score - _MARGIN


def _is_taken(node: Node, taken: Sequence[Node]) -> bool:
    return any(
        other.version == node.version
        and (_is_around(node.path, other.path) or _is_around(other.path, node.path))
        for other in taken
    )


def _is_only(old: Node, new: Node, lost: Sequence[Node], fresh: Sequence[Node]) -> bool:
    """Return whether two fields are the only ones of their object, and of one type."""
    beside = [[node for node in nodes if node.path[:-1] == old.path[:-1] and node.type == old.type]
              for nodes in (lost, fresh)]  # fmt: skip
    return beside == [[old], [new]] and _guess(old, new) == Guess()


def _inner_name(old: Node, new: Node) -> Node | None:
    """Return the field of an object that a scalar became: its name or its value."""
    if new.type != "object" or old.type in {"object", "list", "map"}:
        return None
    fields = (new.field(name) for name in ("name", "value") if name in new.fields)
    return next((node for node in fields if node is not None
                 and guesses.of(old, node) is not None), None)  # fmt: skip


def _is_required(node: Node) -> bool:
    parent = schema_places.root(node.version, node.root).at(node.path[:-1])
    is_plain = ITEMS not in node.path and VALUES not in node.path
    return (
        is_plain
        and isinstance(parent, Node)
        and (node.path[-1] in parent.schema.get("required", ()))
    )


def _text(path: Sequence[str]) -> str:
    return schema_places.text_of(tuple(path))
