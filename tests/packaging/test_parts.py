"""Proofs in parts: no case is left out or done twice, and an interrupted one goes on."""

import argparse
import pathlib

import pytest

from tests.support import parts


def test_parts_have_every_case_once() -> None:
    cases = [parts.Part("prove-x", 11, 0, part, 3).indexes for part in (1, 2, 3)]

    assert [*range(11)] == sorted(case for part in cases for case in part)


def test_interrupted_part_goes_on_and_one_that_ended_begins_anew(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "BUILD", tmp_path)
    part = parts.Part("prove-x", 4, 7, 1, 1)
    seen = [part.resumed()]
    for done in (3, 4):
        part.save({"faults": [done]}, done)
        seen.append(part.resumed())

    assert [(None, 0), ({"faults": [3]}, 3), (None, 0)] == seen


@pytest.mark.parametrize(("text", "expected"), [("2/4", (2, 4)), ("1", (1, 1))])
def test_part_is_read_as_people_write_it(text: str, expected: tuple[int, int]) -> None:
    parser = argparse.ArgumentParser()
    parts.add_options(parser, number=12, option="--rounds")

    part = parts.part_of("prove-x", parser.parse_args(["--rounds", "8", "--part", text]))

    assert (8, 0, expected) == (part.number, part.seed, (part.part, part.parts))
