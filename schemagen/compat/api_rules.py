"""Refusals of an Api beyond its schemas: sizes in bytes, policies, rules of its kinds. Pure.

The same as ``webhooks review`` reports, without the conversion annotations that only a cluster has.
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from typing import Final

from schemagen import checking
from schemagen.compat import policies
from schemagen.model import base, markers, registry
from schemagen.problems import JSON, FieldPath, Problem, Reason
from schemagen.schema import structural
from schemagen.versions.converter import Converter

RULES: Final = {
    "limit": "A value is larger than MaxBytes or MaxEntries allow.",
    "policy": "A ValidatingAdmissionPolicy of the Api denies an object.",
    "rule": "A rule of the kind refuses an object.",
    "not-run": "A rule or policy needs facts that only a cluster has.",
}

# Of the request; authentication.k8s.io/v1 UserInfo, as with `kubectl` of an administrator.
_USER: Final = registry.User(
    username="kubernetes-admin", groups=("system:masters", "system:authenticated")
)


@dataclasses.dataclass(frozen=True)
class Objection:
    """Why an object is refused.

    Attributes:
        rule: Of RULES; an object is accepted despite ``not-run``.
        path: The field in the written version; empty for the object.
        message: What is wrong.
    """

    rule: str
    path: str
    message: str


class ApiRules:
    """The rules of an Api; objects that were accepted are visible to those that follow.

    Rules of a kind read other objects through ``Facts.related``. Of these, only those that were
    accepted before are known; rules skip the others.
    """

    def __init__(self, api: registry.Api) -> None:
        self._api = api
        self._converter = Converter(api)
        self._policies = policies.Policies(api)
        self._accepted: dict[tuple[str, str, str], JSON] = {}

    def objections(self, value: JSON, old: JSON | None) -> Iterator[Objection]:
        """Yield why an object is refused that the API server's schema accepts.

        Args:
            value: The object with its defaults, in the version that was written.
            old: The object that it replaces, in the same version.
        """
        kind, version = self._found(value)
        yield from _excess(version, value, old)
        yield from self._denied(kind, version, value, old)
        yield from self._refused(kind, version, value, old)

    def accept(self, value: JSON) -> None:
        """Make an object visible to the rules of those that follow."""
        kind, version = self._found(value)
        metadata = value["metadata"]
        namespace = _namespace(kind, value)
        self._accepted[kind.name, namespace, metadata.get("name", "")] = self._hub(
            kind, version, value
        )

    def convert(self, value: JSON, api_version: str) -> JSON | None:
        """Convert an object to another version; None if its own is unknown or refuses it."""
        found = self._api.find(value["apiVersion"], value["kind"])
        if found is None:
            return None
        kind, version = found
        checked = checking.of_version(version).create(value)
        if not checked.allowed:
            return None
        name = api_version.rpartition("/")[2]
        return self._converter.way(kind, version.name, name).plain(checked.value)

    def _found(self, value: JSON) -> tuple[registry.Kind, registry.Version]:
        found = self._api.find(value["apiVersion"], value["kind"])
        if found is None:
            raise LookupError(f"expected an object of {self._api.group}, got {value['kind']}")
        return found

    def _hub(self, kind: registry.Kind, version: registry.Version, value: JSON) -> JSON:
        if version is kind.hub:
            return value
        return self._converter.way(kind, version.name, kind.hub.name).plain(value)

    # -------------------------------------------------------------------------------- policies

    def _denied(
        self, kind: registry.Kind, version: registry.Version, value: JSON, old: JSON | None
    ) -> Iterator[Objection]:
        variables = {
            "object": value,
            "oldObject": old,
            "request": _request(kind, value, old),
        }
        for denial in self._policies.denials(kind, version, variables):
            yield Objection("policy" if denial.is_decided else "not-run", "", denial.message)

    # ----------------------------------------------------------------------------------- rules

    def _refused(
        self, kind: registry.Kind, version: registry.Version, value: JSON, old: JSON | None
    ) -> Iterator[Objection]:
        validate = kind.rules.validate
        operation = "CREATE" if old is None else "UPDATE"
        if validate is None or operation not in kind.rules.operations:
            return
        hub = self._hub(kind, version, value)
        old_hub = None if old is None else self._hub(kind, version, old)
        facts = self._facts(kind, version, value, hub, operation)
        if kind.rules.default is not None:
            hub = checking.of_version(kind.hub).create(kind.rules.default(hub, facts)).value
        try:
            before = set() if old_hub is None else {*(validate(old_hub, None, facts) or ())}
            problems = {*(validate(hub, old_hub, facts) or ())} - before
        except registry.NotLookedUpError as error:
            yield Objection("not-run", "", str(error))
            return
        for problem in sorted(problems):
            where = "" if version is kind.hub else f"{problem.path} of {kind.hub.name}: "
            path = str(problem.path) if version is kind.hub else ""
            yield Objection("rule", path, f"{where}{problem.message}")

    def _facts(
        self,
        kind: registry.Kind,
        version: registry.Version,
        value: JSON,
        hub: JSON,
        operation: str,
    ) -> registry.Facts:
        namespace = _namespace(kind, value)
        rules = kind.rules
        related = self._known(namespace, rules.related(hub) if rules.related else ())
        if rules.related_further is not None:
            related |= self._known(namespace, rules.related_further(hub, related))
        return registry.Facts(
            related=related,
            user=_USER,
            namespace=namespace,
            operation=operation,
            version=version.name,
        )

    def _known(
        self, namespace: str, names: Iterable[tuple[str, str]]
    ) -> dict[tuple[str, str], JSON | None]:
        scopes = {kind.name: namespace if kind.scope == "Namespaced" else "" for kind in self._api}
        keys = {(kind, name): (kind, scopes.get(kind, ""), name) for kind, name in names}
        return {name: self._accepted[key] for name, key in keys.items() if key in self._accepted}


def _namespace(kind: registry.Kind, value: JSON) -> str:
    """Return the namespace of an object, by default the one that kubectl sets."""
    return value["metadata"].get("namespace", "default") if kind.scope == "Namespaced" else ""


def _request(kind: registry.Kind, value: JSON, old: JSON | None) -> JSON:
    group, _, version = value["apiVersion"].rpartition("/")
    named = {"group": group, "version": version}
    return {
        "kind": {**named, "kind": kind.name},
        "resource": {**named, "resource": kind.plural},
        "name": value["metadata"].get("name", ""),
        "namespace": _namespace(kind, value),
        "operation": "CREATE" if old is None else "UPDATE",
        "userInfo": {"username": _USER.username, "groups": [*_USER.groups]},
        "dryRun": False,
    }


# --------------------------------------------------------------------------------------- limits


def _excess(version: registry.Version, value: JSON, old: JSON | None) -> Iterator[Objection]:
    """Yield what is too large; a value that was too large before may stay (KEP-4008)."""
    schema = _limited(version.model)
    before = {} if old is None else {p.path: part for p, part in _oversized(schema, old)}
    for problem, part in _oversized(schema, value):
        if problem.path not in before or before[problem.path] != part:
            yield Objection("limit", str(problem.path), problem.message)


@functools.cache
def _limited(model: type[base.Resource]) -> structural.Schema:
    return structural.schema_of(model, descriptions=False, limits=True)


def _oversized(
    schema: structural.Schema, value: JSON, path: FieldPath | None = None
) -> Iterator[tuple[Problem, JSON]]:
    """Yield the values over their limit, with their problem."""
    path = path or FieldPath()
    yield from _over(schema.get(structural.LIMIT), value, path)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _oversized(schema["items"], item, path.key(index))
    if not isinstance(value, dict):
        return
    additional = schema.get("additionalProperties")
    for name, member in value.items():
        if isinstance(additional, dict):
            yield from _over(schema.get(structural.KEY_LIMIT), name, path.key(name))
            yield from _oversized(additional, member, path.key(name))
        elif name in schema.get("properties", {}):
            yield from _oversized(schema["properties"][name], member, path.member(name))


def _over(limit: object, value: JSON, path: FieldPath) -> Iterator[tuple[Problem, JSON]]:
    match limit:
        case markers.MaxBytes(most) if isinstance(value, str):
            size, unit, reason = (
                len(value.encode(errors="surrogatepass")),
                "bytes of UTF-8",
                (Reason.TOO_LONG),
            )
        case markers.MaxEntries(most) if isinstance(value, list | dict):
            size, unit, reason = len(value), "entries", Reason.TOO_MANY
        case _:
            return
    if size > most:
        yield Problem(path, f"expected at most {most} {unit}, got {size}", reason), value
