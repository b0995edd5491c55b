"""Findings as annotations of GitHub: one line each, escaped as the runner reads them."""

from schemagen.compat import findings
from schemagen.compat.findings import Finding, Level


def rendered(*found: Finding) -> str:
    return findings.rendered(found, findings.Format.GITHUB, command="schemagen lint")


def test_annotation_names_file_line_and_rule() -> None:
    text = rendered(
        Finding("size", Level.ERROR, "too large", "crds/a.yaml", 7, "a.b v1", "spec.x"),
        Finding("type", Level.WARNING, "none"),
        Finding("list", Level.NOTE, "none", "b.yaml"),
    )

    assert [
        "::error file=crds/a.yaml,line=7,title=size::a.b v1: spec.x: too large",
        "::warning title=type::none",
        "::notice file=b.yaml,title=list::none",
    ] == text.splitlines()


def test_text_cannot_end_an_annotation() -> None:
    text = rendered(Finding("a,b", Level.ERROR, "100 %\r\n::error::x", "C:\\a,b.yaml", 1))

    assert "::error file=C%3A\\a%2Cb.yaml,line=1,title=a%2Cb::100 %25%0D%0A::error::x\n" == text


def test_no_findings_are_no_text() -> None:
    assert "" == rendered()
