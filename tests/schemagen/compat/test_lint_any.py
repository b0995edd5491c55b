"""No CRD, however broken, is answered with a traceback: cases with random changes are linted."""

import pathlib
import random

from schemagen import judge, yaml
from schemagen.compat import sources
from schemagen.compat.lint import catalog, run
from schemagen.differential import generation
from schemagen.problems import JSON, UserError

MANY = 24
CASES = sorted((pathlib.Path(__file__).parents[2] / "data/crdlint").glob("*.yaml"))
VALUES: tuple[JSON, ...] = (
    *(None, True, 0, -1, 1.5, "", "x", "self.a", "object", "array", "date-time"),
    *([], {}, [None], ["x"], [{}], {"a": None}, {"a": {"type": "string"}}, {"type": "array"}),
)
KEYWORDS = (
    *("oneOf", "anyOf", "not", "items", "default", "enum", "required", "nullable", "properties"),
    *("x-kubernetes-validations", "additionalProperties", "format", "x-kubernetes-list-type"),
    *("minItems", "maximum", "x-kubernetes-int-or-string", "additionalPrinterColumns", "scale"),
)


def changed(source: random.Random, value: JSON) -> JSON:
    for _ in range(source.choice([1, 1, 2, 3])):
        path = source.choice([path for path, _ in generation.places_of(value, {}) if len(path) > 1])
        part = generation.at(value, path)
        if isinstance(part, dict) and source.random() < 0.5:
            part = {**part, source.choice(KEYWORDS): source.choice(VALUES)}
            value = generation.replaced(value, path, part)
        elif source.random() < 0.5:
            value = generation.replaced(value, path, source.choice(VALUES))
        else:
            value = generation.without(value, path)
    return value


def test_any_crd_is_linted_without_a_traceback() -> None:
    source = random.Random(20)  # noqa: S311 - nothing secret
    linted = 0

    with judge.Judge() as oracle:
        while linted < MANY:
            crd = yaml.load_all(source.choice(CASES).read_bytes())[0]
            text = yaml.dumps(changed(source, crd))
            try:
                definitions = [*sources.parsed(text.encode(), "crd.yaml")]
            except UserError:
                continue  # what identifies it is gone, which is said in a line
            run.lint(definitions, oracle, catalog.RULES)
            linted += 1
