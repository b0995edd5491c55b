import dataclasses
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers import kube
from controllers.kube import resources
from controllers.sources import mapping
from controllers.sources.api_constants import Provider
from controllers.sources.issues import Issue, Observation, Rank
from controllers.sources.payloads import texts
from controllers.sources.source_view import Mapping, Source
from crds.v1beta1.implementationspec import ImplementationSpec

ISSUE = Issue(
    provider=Provider.GITHUB,
    external_id="a/b#1",
    url="https://github.com/a/b/issues/1",
    title="A title",
    body="A body",
    labels=(),
    updated=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
)


def source(name: str = "issues", **spec: kube.JSON) -> Source:
    metadata = {"name": name, "namespace": "team", "uid": "1"}
    github = {"github": {"organization": "a"}}
    return kube.view_of(Source, {"metadata": metadata, "spec": github | spec})


def applied(issue: Issue) -> kube.JSON:
    return mapping.spec(source(), issue, Observation(issue, Rank.READ).version)


@pytest.mark.parametrize("character", ["x", "é", "語", "😀"])
def test_a_long_text_is_cut_between_characters_with_a_mark(character: str) -> None:
    issue = dataclasses.replace(ISSUE, body=character * 140_000)

    text = applied(issue)["spec"]["text"]

    end = "\n\n[The text was cut here. All of it: https://github.com/a/b/issues/1]"
    size = len(text.encode())
    assert mapping.MAX_TEXT_BYTES - len(character.encode()) < size <= mapping.MAX_TEXT_BYTES
    assert set(text.removesuffix(end)) == {character}


def test_a_text_of_the_largest_size_is_kept() -> None:
    issue = dataclasses.replace(ISSUE, body="x" * mapping.MAX_TEXT_BYTES)

    assert issue.body == applied(issue)["spec"]["text"]


@given(
    title=st.text(max_size=300),
    body=st.text(max_size=50),
    labels=st.lists(st.text(min_size=1, max_size=300), max_size=120),
    external_id=st.text(min_size=1, max_size=600),
)
def test_any_issue_becomes_a_valid_object(
    title: str, body: str, labels: list[str], external_id: str
) -> None:
    issue = dataclasses.replace(
        ISSUE, title=title, body=body, labels=tuple(labels), external_id=external_id
    )

    value = applied(issue)

    ImplementationSpec.model_validate(value)
    assert resources.SUBDOMAIN.fullmatch(value["metadata"]["name"])
    assert len(value["metadata"]["name"]) <= 63


def test_names_tell_apart_what_looks_alike() -> None:
    names = {mapping.name(source(), text) for text in ("a-b/c#1", "a/b-c#1", "a/b/c#1", "A/B-C#11")}

    assert 4 == len(names)


def test_a_name_ignores_case_as_github_does() -> None:
    assert mapping.name(source(), "A/B#1") == mapping.name(source(), "a/b#1")


def test_two_sources_of_an_issue_have_an_object_each() -> None:
    assert mapping.name(source("one"), "a/b#1") != mapping.name(source("two"), "a/b#1")


def test_unknown_fields_of_a_mapping_are_named() -> None:
    entries = [Mapping(from_="title", to="summary"), Mapping(from_="assignee", to="spec.vcsRef")]

    got = mapping.unknown_fields(entries)

    known = "body, externalId, labels, title, url"
    assert [
        f"expected one of {known}, got 'assignee' at spec.mapping[].from",
        "expected one of description, summary, text, got 'spec.vcsRef' at spec.mapping[].to",
    ] == got


@pytest.mark.parametrize(
    "text",
    ["javascript:alert(1)", "https://x\n", "https://x y", "//x", "", "https://" + "x" * 2048],
)
def test_what_is_no_link_is_left_out(text: str) -> None:
    assert "" == texts.url(text)
