"""Parse consecutive JSON values as Go's encoding/json does."""

import json
import math
import re
from collections.abc import Iterator
from typing import NoReturn

from schemagen.problems import JSON
from schemagen.yaml import scalars
from schemagen.yaml.errors import YAMLError

_SPACE = re.compile("[ \t\r\n]*")
# Lone surrogates: bytes that are not UTF-8, and unpaired escapes.
_HALF = re.compile("[\ud800-\udfff]")
_MAY_BE_HALF = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")
# A number whose fraction or exponent lacks digits, which another value might seem to follow.
_CUT_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.(?![0-9])|(?:\.[0-9]+)?[eE](?![-+]?[0-9]))")
# Numbers with more digits are floats.
_MAX_DIGITS = 20


class _NumberError(Exception):
    """A number is out of range."""


class Stream:
    """Parser of the values of a text.

    Attributes:
        may_be_yaml: Whether the unparsable rest may be YAML: before the second value.
        end: End offset of the last value, in bytes.
    """

    def __init__(self, content: bytes) -> None:
        # Each byte that is not UTF-8 becomes a surrogate, to recover offsets.
        self._text = content.decode(errors="surrogateescape")
        self._has_halves = _MAY_BE_HALF.search(self._text) is not None
        self._position = 0
        self._count = self.end = 0
        self.may_be_yaml = True
        self._decoder = json.JSONDecoder(
            parse_int=_integer, parse_float=_float, parse_constant=_refuse
        )

    def values(self) -> Iterator[tuple[JSON, int, int]]:
        """Yield each value with its start and end offset in bytes.

        Raises:
            YAMLError: at invalid JSON.
        """
        while (start := self._start()) < len(self._text):
            value, end = self._decoded(start)
            if self._has_halves:
                value = _without_surrogates(value)
            first = self.end + self._bytes(self._position, start)
            self.end = first + self._bytes(start, end)
            self._position = end
            self._count += 1
            self.may_be_yaml = self._count <= 1
            yield value, first, self.end

    def _start(self) -> int:
        """Return the start of the next value."""
        match = _SPACE.match(self._text, self._position)
        return match.end() if match else self._position

    def _bytes(self, start: int, end: int) -> int:
        return len(self._text[start:end].encode(errors="surrogateescape"))

    def _decoded(self, start: int) -> tuple[JSON, int]:
        try:
            return self._parsed(self._decoder, start)
        except _NumberError as error:
            # Go checks the syntax of the whole value before converting numbers.
            self._parsed(_SYNTAX, start)
            self.may_be_yaml = False
            raise self._problem(str(error), start) from error

    def _parsed(self, decoder: json.JSONDecoder, start: int) -> tuple[JSON, int]:
        try:
            value, end = decoder.raw_decode(self._text, start)
        except json.JSONDecodeError as error:
            raise self._problem(f"{error.msg[:1].lower()}{error.msg[1:]}", error.pos) from error
        except RecursionError as error:
            raise self._problem("exceeded max depth", start) from error
        if _CUT_NUMBER.match(self._text, start):
            raise self._problem("expected a number", end)
        return value, end

    def _problem(self, text: str, position: int) -> YAMLError:
        line = self._text.count("\n", 0, position) + 1
        return YAMLError(f"json: {text}", line)


def _integer(text: str) -> JSON:
    return _float(text) if len(text) > _MAX_DIGITS else scalars.in_json(int(text))


def _float(text: str) -> JSON:
    value = float(text)
    if math.isinf(value):
        raise _NumberError(f"cannot unmarshal number {text} into Go value of type float64")
    return scalars.in_json(value)


def _refuse(text: str) -> NoReturn:
    raise json.JSONDecodeError(f"invalid character {text[0]!r}", text, 0)


# Accepts numbers of any size.
_SYNTAX = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse)


def _without_surrogates(value: JSON) -> JSON:
    """Return a value with U+FFFD in place of surrogates."""
    match value:
        case str():
            return _HALF.sub("\ufffd", value)
        case dict():
            return {
                _HALF.sub("\ufffd", key): _without_surrogates(child) for key, child in value.items()
            }
        case list():
            return [_without_surrogates(child) for child in value]
        case _:
            return value
