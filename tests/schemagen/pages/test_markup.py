"""HTML is escaped wherever text comes from, and properly nested."""

from hypothesis import given
from hypothesis import strategies as st

from schemagen.pages import markup
from schemagen.pages.markup import tag
from tests.support import page_checks

TEXT = st.text(st.characters(exclude_characters="\r"))


def test_text_and_attributes_are_escaped() -> None:
    element = tag("p", "<script>alert('x')</script> & more", title='"><img src=x>', class_="a")

    assert (
        '<p title="&quot;&gt;&lt;img src=x&gt;" class="a">'
        "&lt;script&gt;alert('x')&lt;/script&gt; &amp; more</p>\n"
    ) == markup.rendered(element)


def test_attributes_that_are_false_are_left_out_and_true_ones_have_no_value() -> None:
    element = tag("details", open=True, hidden=False, id=None)

    assert "<details open></details>\n" == markup.rendered(element)


@given(TEXT, TEXT)
def test_a_parser_reads_what_was_written(text: str, value: str) -> None:
    root = page_checks.parsed(markup.rendered(tag("p", text, title=value)))

    (read,) = root.children
    shown = "".join("\ufffd" if markup.is_control(one) else one for one in text)
    kept = "".join("\ufffd" if markup.is_control(one) else one for one in value)
    assert ("p", shown, {"title": kept}) == (read.name, read.text, read.attributes)
    assert [read, "\n"] == root.content
