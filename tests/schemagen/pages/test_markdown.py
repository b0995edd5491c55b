"""Documents as Markdown: a parser reads what was meant, whatever characters it has."""

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from schemagen.pages import markdown
from schemagen.pages.documents import Code, Heading, Link, Listing, Paragraph, Table, text

PARSER = MarkdownIt("commonmark").enable("table")
# One line, as whatever stands in a document is; Markdown strips its ends.
LINE = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1)


def inlines(written: str) -> list[list[tuple[str, str]]]:
    """The kinds and texts of each line of text."""
    return [
        [(one.type, one.content) for one in token.children or () if one.content]
        for token in PARSER.parse(written)
        if token.type == "inline"
    ]


def joined(parts: list[tuple[str, str]]) -> str:
    return "".join(content for _, content in parts)


@given(LINE)
def test_text_is_read_as_it_was(line: str) -> None:
    (paragraph,) = inlines(markdown.written([Paragraph(text(line))]))

    assert line == joined(paragraph)
    assert {"text"} >= {kind for kind, _ in paragraph if kind != "text_special"}


@given(LINE, LINE)
def test_cells_of_a_table_are_read_as_they_were(one: str, other: str) -> None:
    table = Table("x", ("a", "b"), ((text(one), text(Code(other))),))

    cells = inlines(markdown.written([table]))

    # A backslash before a bar is taken away within code as well, where there is one.
    assert [one, other] == [joined(cell) for cell in cells[2:]]
    assert "code_inline" == cells[3][0][0]


@given(st.text(st.sampled_from("`~ab\n"), min_size=1))
def test_listing_is_read_as_it_was(content: str) -> None:
    (token,) = PARSER.parse(markdown.written([Listing("x", "yaml", f"{content}\n")]))

    assert ("fence", "yaml", f"{content}\n") == (token.type, token.info, token.content)


def test_headings_have_the_anchors_that_github_makes() -> None:
    assert "agentrun-v1-to-v2-fields" == Heading(3, "AgentRun v1 to v2: fields").anchor


def test_link_is_written_as_one() -> None:
    assert "[deprecation\\_policy](deprecation.md)\n" == markdown.written(
        [Paragraph(text(Link("deprecation_policy", "deprecation.md")))]
    )
