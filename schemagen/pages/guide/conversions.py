"""Examples that were really converted: each is judged in both versions before it is shown. Pure."""

from collections.abc import Iterator, Sequence

from schemagen import judge
from schemagen.model import registry
from schemagen.pages import examples
from schemagen.pages.examples import Given
from schemagen.pages.guide.kinds import Converted
from schemagen.problems import JSON, UserError
from schemagen.versions import graph


def of(
    api: registry.Api,
    kind: registry.Kind,
    names: tuple[str, str],
    crd: judge.Loaded,
    given: Sequence[Given],
) -> Iterator[Converted]:
    """Convert the given objects of a kind from either version to the other.

    Args:
        api: The API.
        kind: The kind.
        names: The older and the newer version.
        crd: The kind's CRD.
        given: Valid objects of either version.

    Raises:
        UserError: if the API server refuses the result of a conversion.
    """
    for example in given:
        version = str(example.value["apiVersion"]).rpartition("/")[2]
        other = names[1] if version == names[0] else names[0]
        result = graph.convert(api, kind, example.value, source=version, target=other).object
        result = _like(example.value, result)
        verdict = crd.create(examples.named(result, kind.scope))
        if not verdict.allowed:
            raise UserError(
                f"{example.place}: expected an example that is valid in {other} as well, got: "
                f"{verdict.message}"
            )
        is_from_old = version == names[0]
        old, new = (example.value, result) if is_from_old else (result, example.value)
        yield Converted(old, new, is_from_old, _warnings(kind, names[0], old))


def _like(value: dict[str, JSON], result: dict[str, JSON]) -> dict[str, JSON]:
    """Return a converted object with its members in the order of the original."""
    order = [*value, *(key for key in result if key not in value)]
    return {key: result[key] for key in order if key in result}


def _warnings(kind: registry.Kind, name: str, value: dict[str, JSON]) -> tuple[str, ...]:
    version = kind.version(name)
    if version is None or version.warnings is None:
        return ()
    return tuple(str(problem) for problem in version.warnings(value))
