"""Docstrings become descriptions unchanged: paragraphs, lists, code and indentation."""

import pytest

from schemagen.schema import descriptions

DOCSTRING = """A thing that
    is described.

    A second paragraph, which goes
    on in a second line.

    - an item
    - another, which
      goes on
      - one below it

    1. a first
    2. a second

    Example:

        kind: Thing
          indented: true

    ```yaml
    a: 1


    b: [
    ]
    ```
    The end.
    """

WRITTEN = """A thing that is described.

A second paragraph, which goes on in a second line.

- an item
- another, which
  goes on
  - one below it

1. a first
2. a second

Example:

    kind: Thing
      indented: true

```yaml
a: 1


b: [
]
```
The end."""


def test_all_paragraphs_are_kept() -> None:
    assert WRITTEN == descriptions.fitted(DOCSTRING, None)


def test_structured_text_is_unchanged() -> None:
    assert WRITTEN == descriptions.fitted(WRITTEN, None)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (0, ""),
        (1, ""),
        (10, "A thing…"),
        (26, "A thing that is described."),
        (40, "A thing that is described."),
        (1000, WRITTEN),
    ],
)
def test_past_a_limit_the_first_paragraph_is_kept(limit: int, expected: str) -> None:
    assert expected == descriptions.fitted(DOCSTRING, limit)


def test_a_tab_indents() -> None:
    assert "A:\n\n        code\n\nEnd." == descriptions.fitted("A:\n\n\tcode\n\nEnd.", None)
