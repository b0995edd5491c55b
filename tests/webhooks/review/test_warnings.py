"""Warnings respect the limits of the API server and kubectl."""

from schemagen import FieldPath, Problem
from webhooks.review import warnings

SPEC = FieldPath().member("spec")


def test_control_characters_are_replaced() -> None:
    assert ("spec: a\ufffdb\ufffd",) == tuple(warnings.of([Problem(SPEC, "a\nb\x1b")]))


def test_long_warning_is_cut() -> None:
    (text,) = warnings.of([Problem(SPEC, "x" * 1000)])

    assert (256, "\u2026") == (len(text), text[-1])


def test_the_same_warning_is_given_once() -> None:
    assert ["spec: x"] == warnings.of([Problem(SPEC, "x")] * 3)


def test_all_together_stay_below_the_limit_and_say_what_is_left() -> None:
    texts = warnings.of(Problem(SPEC.key(number), "x" * 200) for number in range(1000))

    assert sum(map(len, texts)) <= warnings.MAX_TOTAL
    assert f"and {1000 - len(texts) + 1} more warnings" == texts[-1]
