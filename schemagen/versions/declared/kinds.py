"""The Api of CRDs without models, with the conversions that files declare. Pure."""

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from schemagen.model import base, declared_schemas, markers, naming, registry
from schemagen.problems import JSON
from schemagen.versions import records, schema_coverage, schema_places
from schemagen.versions.declared.file_format import VersionPair
from schemagen.versions.declared.pairs import Maker
from schemagen.versions.declared.reading import Declared, DeclaredError


def api(definitions: Sequence[Mapping[str, JSON]], files: Sequence[Declared]) -> registry.Api:
    """Return the Api of the CRDs that files declare conversions of.

    Args:
        definitions: CRDs, with the names and versions that identify them.
        files: Files of conversions.

    Raises:
        DeclaredError: naming each mistake.
    """
    by_name = {str(definition["metadata"]["name"]): definition for definition in definitions}
    problems = [*_unknown(by_name, files)]
    kinds: list[registry.Kind] = []
    for file in files:
        if file.name in by_name and not problems:
            try:
                kinds.append(kind(by_name[file.name], file))
            except DeclaredError as error:
                problems.append(str(error))
    if problems:
        raise DeclaredError("\n".join(problems))
    return registry.Api(_group(by_name, files), tuple(kinds))


def _unknown(
    definitions: Mapping[str, Mapping[str, JSON]], files: Sequence[Declared]
) -> Iterator[str]:
    """Yield what is wrong with the names of files' CRDs."""
    places: dict[str, str] = {}
    for file in files:
        place = file.place("metadata.name")
        if file.name in places:
            yield f"{place}: expected one file of {file.name}, got another at {places[file.name]}"
        places.setdefault(file.name, place)
        if file.name not in definitions:
            alike = difflib.get_close_matches(file.name, definitions, n=1)
            hint = f"; did you mean {alike[0]}?" if alike else ""
            known = ", ".join(sorted(definitions)) or "none"
            yield f"{place}: expected the name of a CRD ({known}), got {file.name}{hint}"


def _group(definitions: Mapping[str, Mapping[str, JSON]], files: Sequence[Declared]) -> str:
    groups = {
        str(definitions[file.name]["spec"]["group"]): file.place("metadata.name") for file in files
    }
    if len(groups) > 1:
        named = " and ".join(f"{group} ({place})" for group, place in sorted(groups.items()))
        raise DeclaredError(
            f"expected conversions of CRDs of one group, got {named}; serve each group by a server "
            "of its own"
        )
    return next(iter(groups))


def kind(definition: Mapping[str, JSON], file: Declared) -> registry.Kind:
    """Return the kind of a CRD, with the conversions that a file declares.

    Raises:
        DeclaredError: naming each mistake.
    """
    entries = _by_age(definition, file)
    names = [str(entry["name"]) for entry in entries]
    given = {(pair.from_, pair.to): index
             for index, pair in enumerate(file.content.spec.conversions)}  # fmt: skip
    problems = [*_pair_problems(file, names)]
    if problems:
        raise DeclaredError("\n".join(problems))
    title = str(definition["spec"]["names"]["kind"])
    models = {str(entry["name"]): _model(title, entry) for entry in entries}
    conversions: dict[str, tuple[records.Conversion, VersionPair]] = {}
    for older, newer in itertools.pairwise(names):
        index = given[older, newer]
        pair = file.content.spec.conversions[index]
        old, new = (
            schema_places.root(name, schema_coverage.schema_of(models[name]))
            for name in (older, newer)
        )
        maker = Maker(old, new, _places(file, f"spec.conversions[{index}]"))
        conversions[older] = maker.conversion(pair), pair
        problems += [f"{title} {older} <-> {newer}: {fault}" for fault in maker.faults]
    if problems:
        raise DeclaredError("\n".join(dict.fromkeys(problems)))
    versions = tuple(_version(entry, models[str(entry["name"])], conversions) for entry in entries)
    return _kind(definition, versions)


def nodes(definition: Mapping[str, JSON]) -> dict[str, schema_places.Node]:
    """Return the whole object of each version of a CRD, from the oldest to the newest."""
    title = str(definition["spec"]["names"]["kind"])
    entries = sorted(definition["spec"]["versions"], key=lambda one: naming.age(str(one["name"])))
    return {
        str(entry["name"]): schema_places.root(
            str(entry["name"]), schema_coverage.schema_of(_model(title, entry))
        )
        for entry in entries
    }


def _model(title: str, entry: Mapping[str, JSON]) -> type[base.Resource]:
    return declared_schemas.resource(title, entry["schema"]["openAPIV3Schema"])


def _places(file: Declared, prefix: str) -> Any:
    return lambda path: file.place(f"{prefix}.{path}" if path else prefix)


def _by_age(definition: Mapping[str, JSON], file: Declared) -> list[Mapping[str, JSON]]:
    """Return the versions from the oldest to the newest.

    Names that have an age are in Kubernetes' order; others are as the file's pairs say.
    """
    chain = [pair.from_ for pair in file.content.spec.conversions]
    chain += [pair.to for pair in file.content.spec.conversions[-1:]]
    entries = list(definition["spec"]["versions"])
    known = {name: at for at, name in enumerate(chain)}
    if all(str(entry["name"]) in known for entry in entries):
        return sorted(entries, key=lambda entry: known[str(entry["name"])])
    return sorted(entries, key=lambda entry: naming.age(str(entry["name"])))


def _pair_problems(file: Declared, names: Sequence[str]) -> Iterator[str]:
    """Yield pairs of a file that are no adjacent versions, and adjacent versions without one."""
    adjacent = [*itertools.pairwise(names)]
    pairs = [(pair.from_, pair.to) for pair in file.content.spec.conversions]
    order = ", ".join(names)
    for index, pair in enumerate(pairs):
        place = file.place(f"spec.conversions[{index}]")
        if pair not in adjacent:
            yield (
                f"{place}: expected two adjacent versions of {file.name}, from the older to the "
                f"newer ({order}), got {' to '.join(pair)}"
            )
        elif pair in pairs[:index]:
            yield f"{place}: expected one conversion from {' to '.join(pair)}, got two"
    for pair in adjacent:
        if pair not in pairs:
            place = file.place("spec.conversions")
            yield f"{place}: expected a conversion from {' to '.join(pair)}, got none"
    for fault in naming.order_faults(names):
        yield f"{file.place('spec.conversions')}: {fault}"


def _version(
    entry: Mapping[str, JSON],
    model: Any,
    conversions: Mapping[str, tuple[records.Conversion, VersionPair]],
) -> registry.Version:
    name = str(entry["name"])
    conversion, pair = conversions.get(name, (None, None))
    return registry.Version(
        name,
        model,
        storage=bool(entry.get("storage")),
        served=bool(entry.get("served")),
        conversion=conversion,
        scale=_scale(entry),
        hub_rules="refuse" if pair is None else pair.hub_rules,
    )


def _scale(entry: Mapping[str, JSON]) -> markers.Scale | None:
    scale = (entry.get("subresources") or {}).get("scale")
    if not isinstance(scale, dict):
        return None
    return markers.Scale(
        scale["specReplicasPath"],
        scale["statusReplicasPath"],
        scale.get("labelSelectorPath"),
    )


def _kind(definition: Mapping[str, JSON], versions: tuple[registry.Version, ...]) -> registry.Kind:
    spec = definition["spec"]
    names = spec["names"]
    return registry.Kind(
        str(names["kind"]),
        str(names["plural"]),
        versions,
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        scope=spec["scope"],
        singular=str(names.get("singular") or ""),
        list_name=str(names.get("listKind") or ""),
        definition=definition,
    )
