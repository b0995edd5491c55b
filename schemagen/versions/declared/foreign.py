"""Read the configuration of declarative-conversion-operator as far as it maps. Pure.

Its rules convert between a hub, the stored version, and each other version. Those of two adjacent
versions become a file's steps; whatever has no step here is said, field by field.
"""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from schemagen.problems import JSON, UserError, quoted
from schemagen.versions.declared import field_paths, guesses
from schemagen.versions.declared.suggestion import Question, Suggestion
from schemagen.versions.schema_places import Node

GROUP: Final = "terasky.com"
KINDS: Final = ("CRDConversionConfig", "XRDConversionConfig")

_SPEC: Final = frozenset({"targetCRD", "targetXRD", "hubVersion", "spokes"})
_SETTINGS: Final = {
    "webhookServerRef": "the server is started by webhooks serve",
    "conversionReviewVersions": "reviews are of version v1",
    "unmappedFieldPolicy": "fields of one version stay with the object",
    "unmappedFieldReason": "fields of one version stay with the object",
    "driftPolicy": "CRDs and conversions are read, and checked, when the server starts",
}
_KEPT: Final = "a field of one version stays with the object without a step"
_TEMPLATE: Final = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")


def is_foreign(value: Mapping[str, JSON]) -> bool:
    """Return whether a document is such a configuration."""
    group = str(value.get("apiVersion")).partition("/")[0]
    return group == GROUP and value.get("kind") in KINDS


def translated(value: Mapping[str, JSON], name: str, nodes: Mapping[str, Node]) -> list[Suggestion]:
    """Return a configuration's rules as steps, and what does not map as questions.

    Args:
        value: The configuration.
        name: Name of the CRD.
        nodes: The whole object of each version, from the oldest to the newest.

    Raises:
        UserError: if it is of another CRD, or names versions that the CRD has not.
    """
    spec = _object(value.get("spec"))
    target = _object(spec.get("targetCRD") or spec.get("targetXRD")).get("name")
    if target != name:
        raise UserError(f"expected a configuration of {name}, got one of {quoted(target)}")
    names = [*nodes]
    found = {older: Suggestion(older, newer) for older, newer in itertools.pairwise(names)}
    hub = _known(spec.get("hubVersion"), names)
    first = next(iter(found.values()), None)
    for field in spec.keys() - _SPEC:
        if first is not None:
            reason = _SETTINGS.get(field, "it is no field that is known here")
            first.questions.append(Question(f"spec.{field}", f"does not map: {reason}"))
    for spoke in spec.get("spokes") or ():
        version = _known(_object(spoke).get("version"), names)
        older, newer = sorted((version, hub), key=names.index)
        if abs(names.index(hub) - names.index(version)) == 1:
            rules = _Rules(found[older], nodes[older], nodes[newer], is_hub_new=newer == hub)
            rules.add(_object(spoke).get("rules") or (), f"{version}:rules", "")
        elif first is not None:
            text = (
                f"does not map: it converts to {hub} at once, and here a version converts to the "
                f"next one; write its steps to {names[names.index(version) + 1]}"
            )
            first.questions.append(Question(f"{version}:rules", text))
    return [*found.values()]


def _known(version: JSON, names: Sequence[str]) -> str:
    if version not in names:
        raise UserError(f"expected a version of the CRD ({', '.join(names)}), got {version}")
    return str(version)


def _object(value: JSON) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


class _Rules:
    """Adds the steps of one spoke's rules to a suggestion."""

    def __init__(self, found: Suggestion, old: Node, new: Node, *, is_hub_new: bool) -> None:
        self._found, self._old, self._new = found, old, new
        self._is_hub_new = is_hub_new
        self._where = self._field = ""

    def add(self, rules: Sequence[JSON], where: str, prefix: str) -> None:
        """Add the steps of rules, whose paths are below a prefix."""
        for index, rule in enumerate(map(_object, rules)):
            strategy = str(rule.get("strategy"))
            self._field = strategy[:1].lower() + strategy[1:]
            self._field = "jsonPatch" if strategy == "JSONPatch" else self._field
            self._where = f"{where}[{index}].{self._field}"
            if rule.get("when") is not None:
                self._say("does not map: a rule for some objects only (when) has no step")
                continue
            given = _object(rule.get(self._field))
            act = _STRATEGIES.get(strategy)
            if act is None:
                self._say(f"does not map: {_UNMAPPED.get(strategy, 'it is no known strategy')}")
            else:
                self._act(act, given, prefix)

    def _act(self, act: "_Act", given: Mapping[str, JSON], prefix: str) -> None:
        try:
            act(self, given, prefix)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            self._say(f"does not map: expected the arguments of the strategy, got no {error}")

    def _say(self, text: str) -> None:
        self._found.questions.append(Question(self._where, text))

    def _ends(self, hub: str, spoke: str) -> tuple[str, str]:
        """Return the paths in the older and in the newer version."""
        return (spoke, hub) if self._is_hub_new else (hub, spoke)

    def _move(self, hub: str, spoke: str, step: JSON = None) -> None:
        old, new = self._ends(hub, spoke)
        steps = {} if step is None else {"step": step}
        if old != new:
            self._found.steps.append({"move": {"from": old, "to": new, **steps}})
        elif step is not None:
            self._found.steps.append({"sameName": {"path": old, **steps}})

    def _directed(self, step: JSON, *, is_upward: bool) -> JSON:
        """Return a step, or its inverse."""
        return step if is_upward else {"inverse": step}

    # --- strategies -----------------------------------------------------------------------------

    def rename(self, given: Mapping[str, JSON], prefix: str) -> None:
        """A field with another name."""
        self._move(prefix + given["hubPath"], prefix + given["spokePath"])

    def wrapped(self, given: Mapping[str, JSON], prefix: str) -> None:
        """A scalar of the hub that is in an object of the spoke."""
        self._others(given)
        self._move(prefix + given["hubPath"], f"{prefix}{given['spokePath']}.{given['key']}")

    def unwrapped(self, given: Mapping[str, JSON], prefix: str) -> None:
        """A scalar of the spoke that is in an object of the hub."""
        self._others(given)
        self._move(f"{prefix}{given['hubPath']}.{given['key']}", prefix + given["spokePath"])

    def _others(self, given: Mapping[str, JSON]) -> None:
        if given.get("defaultsForOtherKeys"):
            self._say("defaultsForOtherKeys does not map: the schema's defaults fill them")

    def single(self, given: Mapping[str, JSON], prefix: str) -> None:
        """An object of the spoke, and a list of one of the hub."""
        step = self._directed("single", is_upward=self._is_hub_new)
        self._move(prefix + given["hubPath"], prefix + given["spokePath"], step)

    def listed(self, given: Mapping[str, JSON], prefix: str) -> None:
        """An object of the hub, and a list of one of the spoke."""
        step = self._directed("single", is_upward=not self._is_hub_new)
        self._move(prefix + given["hubPath"], prefix + given["spokePath"], step)

    def to_map(self, given: Mapping[str, JSON], prefix: str) -> None:
        """Fields of the hub that are a map's values in the spoke."""
        names = _object(given.get("keyNames"))
        for path in given["hubPaths"]:
            key = names.get(path) or path.rpartition(".")[2]
            self._move(prefix + path, f"{prefix}{given['spokeMapPath']}.{key}")

    def of_map(self, given: Mapping[str, JSON], prefix: str) -> None:
        """Fields of the spoke that are a map's values in the hub."""
        names = _object(given.get("keyNames"))
        for path in given["spokePaths"]:
            key = names.get(path) or path.rpartition(".")[2]
            self._move(f"{prefix}{given['hubMapPath']}.{key}", prefix + path)

    def enum(self, given: Mapping[str, JSON], prefix: str) -> None:
        """Values that are spelled differently."""
        pairs = [self._ends(pair["hub"], pair["spoke"]) for pair in given["mapping"]]
        step: JSON = {"mapped": [{"old": old, "new": new} for old, new in pairs]}
        if all(isinstance(word, str) for pair in pairs for word in pair):
            step = {"enumeration": dict(pairs)}
        self._move(prefix + given["path"], prefix + given["path"], step)

    def value(self, given: Mapping[str, JSON], prefix: str) -> None:
        """A field of one version that gets a value."""
        is_new = (given["existsOn"] == "Hub") == self._is_hub_new
        value = given["value"] if "value" in given else given["default"]
        name = "implied" if is_new else "constant"
        self._found.steps.append({name: {"path": prefix + given["path"], "value": value}})

    def gone(self, given: Mapping[str, JSON], prefix: str) -> None:
        """A field of one version that is dropped."""
        self._say(f"needs no step: {_KEPT}; forget {prefix}{given['path']} if it must not")

    def patch(self, given: Mapping[str, JSON], prefix: str) -> None:
        """A JSON patch that does nothing but move fields."""
        ways = given.get("hubToSpoke") or [], given.get("spokeToHub") or []
        if {op.get("op") for way in ways for op in way} != {"move"}:
            self._say("does not map: only a JSON patch that moves fields there and back has steps")
            return
        forth = {(_dotted(op["from"]), _dotted(op["path"])) for op in ways[0]}
        back = {(_dotted(op["path"]), _dotted(op["from"])) for op in ways[1]}
        if forth != back:
            self._say("does not map: the two patches are no inverses")
            return
        for hub, spoke in sorted(forth):
            self._move(prefix + hub, prefix + spoke)

    def each(self, given: Mapping[str, JSON], prefix: str) -> None:
        """Rules of a list's items."""
        where = self._where
        hub, spoke = prefix + given["hubItemsPath"], prefix + given["spokeItemsPath"]
        if hub != spoke:
            self._say("does not map: a list with other names of its items' fields; write the moves")
            return
        self.add(given.get("rules") or (), f"{where}.rules", f"{hub}[].")

    def guessed(self, given: Mapping[str, JSON], prefix: str) -> None:
        """A value whose step follows from its types."""
        hub = prefix + (given.get("hubPath") or given["path"])
        spoke = prefix + (given.get("spokePath") or given["path"])
        places = []
        for root, text in zip((self._old, self._new), self._ends(hub, spoke), strict=True):
            path = field_paths.parsed(text)
            places.append(None if path is None else field_paths.place(root, path))
        old, new = places
        guess = guesses.of(old, new) if isinstance(old, Node) and isinstance(new, Node) else None
        if guess is None:
            self._say("does not map: no step converts between these types")
        else:
            step = guess.step
            if self._field == "duration":
                is_upward = isinstance(old, Node) and old.type == "integer"
                step = self._directed("toDuration", is_upward=is_upward)
            self._move(hub, spoke, step)

    def cut(self, given: Mapping[str, JSON], prefix: str) -> None:
        """A string that is split into fields, on either side."""
        is_whole_hub = "hubPath" in given
        whole = prefix + (given["hubPath"] if is_whole_hub else given["spokePath"])
        fields = _object(given["spokeFields"] if is_whole_hub else given["hubFields"])
        template = str(given.get("joinTemplate"))
        groups = _TEMPLATE.findall(template)
        between = {*_TEMPLATE.sub("\0", template).strip("\0").split("\0")}
        if len(between) != 1 or "" in between or {*groups} != fields.keys():
            self._say("does not map: only parts with one separator between them have a step")
            return
        paths, separator = [prefix + fields[group] for group in groups], between.pop()
        is_split = is_whole_hub != self._is_hub_new
        ends = {"from": whole, "to": paths} if is_split else {"from": paths, "to": whole}
        self._found.steps.append({"split" if is_split else "join": ends | {"separator": separator}})
        self._say("check: the pattern is not read, the string is cut at the first separators")

    def keyed(self, given: Mapping[str, JSON], prefix: str) -> None:
        """A list and a map of its items."""
        is_list_hub = self._field == "arrayToMapByKey"
        step = self._directed(
            {"listToMap": {"key": given["keyField"]}},
            is_upward=is_list_hub != self._is_hub_new,
        )
        self._move(prefix + given["hubPath"], prefix + given["spokePath"], step)

    def joined(self, given: Mapping[str, JSON], prefix: str) -> None:
        """A list of strings and one string."""
        is_list_hub = self._field == "listJoin"
        step = self._directed(
            {"joined": given["separator"]}, is_upward=is_list_hub != self._is_hub_new
        )
        self._move(prefix + given["hubPath"], prefix + given["spokePath"], step)

    def scaled(self, given: Mapping[str, JSON], prefix: str) -> None:
        """A number in another unit."""
        factor = Fraction(str(given["factor"]))
        factor = factor if self._is_hub_new else 1 / factor
        step = {"scaled": int(factor) if factor.denominator == 1 else str(factor)}
        self._move(prefix + given["hubPath"], prefix + given["spokePath"], step)


def _dotted(pointer: str) -> str:
    return pointer.removeprefix("/").replace("/", ".").replace("~1", "/").replace("~0", "~")


_Act = Callable[[_Rules, Mapping[str, JSON], str], None]

_STRATEGIES: Final[Mapping[str, _Act]] = {
    "FieldRename": _Rules.rename,
    "ScalarToObject": _Rules.wrapped,
    "ObjectToScalar": _Rules.unwrapped,
    "SingletonArrayToObject": _Rules.single,
    "ObjectToSingletonArray": _Rules.listed,
    "FieldsToMap": _Rules.to_map,
    "MapToFields": _Rules.of_map,
    "EnumRemap": _Rules.enum,
    "DefaultValue": _Rules.value,
    "Constant": _Rules.value,
    "Delete": _Rules.gone,
    "JSONPatch": _Rules.patch,
    "ForEach": _Rules.each,
    "TypeCoerce": _Rules.guessed,
    "Duration": _Rules.guessed,
    "ScalarToFields": _Rules.cut,
    "FieldsToScalar": _Rules.cut,
    "ArrayToMapByKey": _Rules.keyed,
    "MapToArrayByKey": _Rules.keyed,
    "NumericScale": _Rules.scaled,
    "ListJoin": _Rules.joined,
    "ListSplit": _Rules.joined,
}
_UNMAPPED: Final[Mapping[str, str]] = {
    "ToAnnotation": f"{_KEPT}, and no annotation of its own is written",
    "ToLabel": f"{_KEPT}, and no label is written",
    "FromAnnotation": f"{_KEPT}, and no annotation of its own is read",
    "FromLabel": f"{_KEPT}, and no label is read",
    "Quantity": "there is no step between a quantity and an integer",
}


def strategies() -> set[str]:
    """Return the names of the strategies that are known."""
    return {*_STRATEGIES, *_UNMAPPED}
