"""Objects of the platform in any spelling: only lines that have to change do."""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import crds
from schemagen import Kind, canonical, yaml
from schemagen.rewrite import files
from schemagen.rewrite.objects import Target, difference
from schemagen.rewrite.text.places import at
from schemagen.versions.converter import Converter
from schemagen.versions.steps import ABSENT
from tests.support import depth, manifest_texts, round_trips

CONVERTER = Converter(crds.api)
TARGETS = {name: Target(crds.api, name) for name in ("v1alpha1", "v1beta1")}
COMMENT = re.compile("# comment [0-9]+:")
MANY = settings(
    max_examples=depth.draws(100),
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],  # to shrink an object takes minutes
    suppress_health_check=list(HealthCheck),
)


def has_to_stay(line: manifest_texts.Line, old: Any, new: Any) -> bool:
    """Whether all that a line says is said in the same place by the other version."""
    return all(
        place != ("apiVersion",)
        and is_in_same_items(place, old, new)
        and is_same(at(old, place), at(new, place), is_value=line.is_value)
        for place in line.places
    )


def is_in_same_items(place: manifest_texts.Place, old: Any, new: Any) -> bool:
    """Whether no other items may be meant, and no other field follows the dash."""
    if len(place) > 1 and isinstance(place[-2], int) and isinstance(place[-1], str):
        first = next(iter(at(old, place[:-1])))
        if at(new, (*place[:-1], first)) is ABSENT:
            return False
    above = [(at(old, place[:end]), at(new, place[:end])) for end in range(len(place))]
    return all(
        not isinstance(one, list) or (isinstance(other, list) and len(one) == len(other))
        for one, other in above
    )


def is_same(before: Any, after: Any, *, is_value: bool) -> bool:
    """Whether two values are the same, or two objects or lists whose key is on the line."""
    if after is ABSENT or type(before) is not type(after) or bool(before) != bool(after):
        return False
    is_whole = is_value or not isinstance(before, dict | list)
    return not is_whole or canonical.dumps(before) == canonical.dumps(after)


def meaning(value: dict[str, Any], kind: Kind, version_name: str) -> dict[str, Any]:
    """What the API server makes of an object."""
    version = kind.version(version_name)
    assert version is not None
    return TARGETS[version_name].meaning(value, kind, version)


def without_place(line: str) -> str:
    """A line; a comment of its own is as far to the right as what it is about."""
    return line.lstrip() if line.lstrip().startswith("#") else line


def is_subsequence(part: list[str], whole: list[str]) -> bool:
    rest = map(without_place, whole)
    return all(without_place(line) in rest for line in part)


@pytest.mark.parametrize(("kind", "version", "other"), round_trips.CASES)
def test_lines_that_need_no_change_stay(kind: Kind, version: str, other: str) -> None:
    @MANY
    @given(round_trips.of_the_schema(kind, version), st.integers(0, 2**32))
    def check(value: dict[str, Any], seed: int) -> None:
        lines = manifest_texts.Author(seed).lines(value)
        text = "\n".join([*(line.text for line in lines), ""])
        assert canonical.dumps(yaml.load(text.encode())) == canonical.dumps(value)

        result = files.convert(text.encode(), "one.yaml", TARGETS[other])

        assert [] == result.findings
        after = result.after.decode()
        (new,) = yaml.load_all(result.after)
        expected = CONVERTER.way(kind, version, other).plain(value)
        assert None is difference(meaning(expected, kind, other), meaning(new, kind, other))
        assert sorted(COMMENT.findall(text)) == sorted(COMMENT.findall(after))
        kept = [line.text for line in lines if line.text.strip() and has_to_stay(line, value, new)]
        assert is_subsequence(kept, after.split("\n")), (kept, after)

        back = files.convert(result.after, "one.yaml", TARGETS[version])

        assert [] == back.findings
        (returned,) = yaml.load_all(back.after)
        assert None is difference(meaning(value, kind, version), meaning(returned, kind, version))
        assert is_subsequence(kept, back.after.decode().split("\n"))
        assert sorted(COMMENT.findall(text)) == sorted(COMMENT.findall(back.after.decode()))

    check()


def test_comment_of_an_item_that_moves_goes_with_it_alone() -> None:
    text = """\
apiVersion: agents.proompteng.ai/v1beta1
kind: AgentProvider
metadata: {name: example}
spec:
  runner: {command: run}
  env:
  - name: PLAIN  # comment 1: about PLAIN
  # comment 2: about SECRET
  - valueFrom:
      secretKeyRef: {name: s, key: k}
    name: SECRET
    value: ""
  - name: OTHER
    value: a
"""

    result = files.convert(text.encode(), "one.yaml", TARGETS["v1alpha1"])

    after = result.after.decode()
    assert ["# comment 1:", "# comment 2:"] == sorted(COMMENT.findall(after))
    assert "  envTemplate:\n    # comment 1: about PLAIN\n    PLAIN: ''\n" in after
