"""What docs/yaml.md says of YAML is so."""

import json
import pathlib
import re

import pytest

from schemagen import yaml

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/yaml.md"
TEXT = DOCUMENT.read_text()
ROWS = [row.split("|")[1:3] for row in TEXT.splitlines() if row.startswith("| `")]
EXAMPLES = [(word, means) for words, means in ROWS for word in re.findall("`([^`]+)`", words)]


@pytest.mark.parametrize(("word", "means"), EXAMPLES)
def test_example_is_read_as_the_table_says(word: str, means: str) -> None:
    (value,) = yaml.load_all(f"k: {word}".encode())

    if means.strip() == "string":
        assert {"k": word} == value
    else:
        assert {"k": json.loads(means.strip().strip("`"))} == value


def test_the_table_has_examples() -> None:
    assert 25 < len(EXAMPLES)


def test_python_of_the_document_runs() -> None:
    for code in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        exec(compile(code, str(DOCUMENT), "exec"), {})  # noqa: S102 - our own document
