"""The fast writer writes what PyYAML's emitter (libyaml) would, or leaves the value to it."""

import random
from typing import Any

import pytest
import yaml

from schemagen import files, yamltext

CHARACTERS = "ab :#-?'\"[]{},&*!|>%@`~.=<0123456789eExX_+TtZ/\\é—…"
WORDS = [
    *("yes", "No", "null", "~", "1:30", "0x1f", "1e3", "1.5", "2020-01-01", "2020-1-1T10:00:00Z"),
    *(".inf", "-.inf", ".nan", "<<", "=", "0b1", "012", "1_000", "---", "...", "-", "?", ":", ""),
    *(".5", ".", "-.5", "+1", "+.inf", "1.", "1.e+3", "0", "-0", "00", "09", "0_", "_1", "y", "n"),
    *("2020-01-01 10:00:00.5 +01:30", "12:30:45", "12:30:45.5", "190:20:30", " a", "a "),
]


class Draw:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - nothing secret

    def word(self) -> str:
        if self.random.random() < 0.2:
            return self.random.choice(WORDS)
        return "".join(self.random.choices(CHARACTERS, k=self.random.randint(0, 9)))

    def text(self) -> str:
        chance = self.random.random()
        if chance < 0.5:
            return self.word()
        if chance < 0.85:
            space = "  " if self.random.random() < 0.1 else " "
            return space.join(self.word() for _ in range(self.random.randint(2, 60)))
        return "\n".join(self.word() for _ in range(self.random.randint(2, 5)))

    def value(self) -> dict[str, Any]:
        text = self.text()
        return self.random.choice(
            [
                {"k": text},
                {"key": {"deep": [{"x": text, "y": [text]}]}},
                {text[:130] or "k": 1.5, "e": {}, "l": [[], {}, [1, [text]], True, None]},
            ]
        )


@pytest.mark.parametrize("seed", range(4))
def test_texts_are_written_as_the_library_writes_them(seed: int) -> None:
    draw = Draw(seed)
    written = 0
    for _ in range(500):
        value = draw.value()
        try:
            text = yamltext.dumps(value)
        except yamltext.UnusualError:
            continue
        written += 1
        assert files._by_library(value) == text  # noqa: SLF001 - the other way to write
    assert 300 < written


@pytest.mark.parametrize(
    "value",
    [[], {}, "text", {"a": 1e300}, {"a": "\0"}, {"": 1}, {"k" * 200: 1}, {"a": " b\n c"}],
    ids=repr,
)
def test_what_is_unusual_is_left_to_the_library(value: Any) -> None:
    with pytest.raises(yamltext.UnusualError):
        yamltext.dumps(value)
    assert [value] == [*yaml.safe_load_all(files.to_yaml(value))]
