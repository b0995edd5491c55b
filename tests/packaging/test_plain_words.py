"""What people read is plain English in the field's words (docs/glossary.md).

The patterns are the worst of a manner that once filled this code, kept from coming back. They are
checked over docstrings, CLI help, descriptions of CRD fields, and the documents.
"""

import ast
import functools
import pathlib
import re
from collections.abc import Callable, Iterator

import pytest

from schemagen import yaml
from schemagen.problems import JSON

ROOT = pathlib.Path(__file__).parents[2]
PACKAGES = ("schemagen", "webhooks", "certs", "crds", "controllers")
# Its digest names the built judge: another word in it is another build.
PINNED = ROOT / "schemagen" / "judge" / "recipe.py"
GLOSSARY = ROOT / "docs" / "glossary.md"
DOCUMENTS = [
    path for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")) if path != GLOSSARY
]
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)

# A question as the subject, a pronoun for the thing, or an order to be something.
OPENERS = re.compile(r"(What|Whatever|Whom|Whoever|Those|Its?|Be|Of|Likewise)\b")
PHRASES = re.compile(
    r"\b(in one word|stands so|for so long|the world has it|passed over|(begun|made) anew"
    r"|how (it|they|the \w+|a \w+) stands?|(is|are|be|being) told (of|it|that)"
    r"|goes? on (by itself|counting)|what(ever)? is there|once (it|that) is there"
    r"|what (it|a \w+|the \w+) is after|(is|are) believed|mend(s|ed)?|looked? after"
    r"|carr(y|ies|ied) (it|them|the run|a run|runs?) out|carried out by"
    r"|wh(o|om) (it|they|clients) (is|are) to)\b",
    re.IGNORECASE,
)
CONSTANTS = re.compile(r"_?(MOST|LONGEST|LARGEST|SMALLEST|FEWEST)_")
HELP = frozenset({"description", "help", "short_help", "epilog", "documentation"})


def trees(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted({*(ROOT / package).rglob("*.py")} - {PINNED}):
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Docstrings, those below attributes included."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.lineno, value.value


def help_texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Literal arguments that a person reads as help."""
    for node in ast.walk(tree):
        for keyword in node.keywords if isinstance(node, ast.Call) else ():
            if keyword.arg in HELP and isinstance(keyword.value, ast.Constant):
                yield keyword.value.lineno, str(keyword.value.value)


def constants(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id


@functools.cache
def read(package: str) -> dict[str, list[tuple[str, str]]]:
    """What each reader finds in a package, with file and line; parsed once for all of them."""
    found: dict[str, list[tuple[str, str]]] = {reader.__name__: [] for reader in READERS}
    for path, tree in trees(package):
        for reader in READERS:
            found[reader.__name__] += [(f"{path}:{line}", text) for line, text in reader(tree)]
    return found


READERS = (docstrings, help_texts, constants)


def descriptions(value: JSON, path: str) -> Iterator[tuple[str, str]]:
    """Descriptions in a schema, by their paths."""
    if isinstance(value, dict):
        if isinstance(text := value.get("description"), str):
            yield path, text
        for name, member in value.items():
            yield from descriptions(member, f"{path}.{name}")


def is_private(text: str) -> bool:
    return OPENERS.match(text) is not None or PHRASES.search(text) is not None


def is_unnamed_limit(text: str) -> bool:
    return CONSTANTS.match(text) is not None


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize(
    ("reader", "is_refused"),
    [(docstrings, is_private), (help_texts, is_private), (constants, is_unnamed_limit)],
    ids=["docstrings", "help", "limits"],
)
def test_package_is_in_plain_words(
    package: str,
    reader: Callable[[ast.Module], Iterator[tuple[int, str]]],
    is_refused: Callable[[str], bool],
) -> None:
    assert [] == [
        f"{where}: {text.splitlines()[0]}"
        for where, text in read(package)[reader.__name__]
        if is_refused(text)
    ]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "crds" / "generated").glob("*.yaml")), ids=lambda path: path.stem
)
def test_descriptions_of_fields_are_sentences(path: pathlib.Path) -> None:
    (document,) = yaml.load_all(path.read_bytes())
    texts = [
        (where, text)
        for version in document["spec"]["versions"]
        for where, text in descriptions(version["schema"]["openAPIV3Schema"], version["name"])
    ]

    faults = [
        f"{where}: {text}"
        for where, text in texts
        if not text[0].isupper()
        or not text.endswith(".")
        or OPENERS.match(text)
        or PHRASES.search(text)
    ]

    assert [] == faults
    assert len(texts) > 20


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_are_in_plain_words(path: pathlib.Path) -> None:
    text = FENCE.sub("", path.read_text())

    faults = [f"{path.name}: {line}" for line in text.splitlines() if PHRASES.search(line)]

    assert [] == faults


def test_every_term_of_the_glossary_is_there_once() -> None:
    terms = re.findall(r"^\| ([^|]+?) \|", GLOSSARY.read_text(), re.MULTILINE)
    names = [name for name in terms if name not in {"Term", "---"}]

    assert len({*names}) == len(names)
