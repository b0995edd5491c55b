r"""Numbers and codes of fixed forms: UUIDs, ISBNs, cards, colors, base64.

kube-openapi checks them with regular expressions, mostly govalidator's. Go's ``\d`` is ASCII, and
its ``\s`` has no vertical tab, so both are spelled out here.
"""

import re

_HEX = "[0-9a-fA-F]"
_SPACE = r"[\t\n\f\r ]"
_BYTE_VALUE = "(?:0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])"

_BSON_OBJECT_ID = re.compile(f"{_HEX}{{24}}")
_BASE64 = re.compile("[A-Za-z0-9+/]+={0,2}")
_HEX_COLOR = re.compile(f"#?(?:{_HEX}{{3}}|{_HEX}{{6}})")
_RGB_COLOR = re.compile(
    rf"rgb\({_SPACE}*{_BYTE_VALUE}(?:{_SPACE}*,{_SPACE}*{_BYTE_VALUE}){{2}}{_SPACE}*\)"
)
_SOCIAL_SECURITY_NUMBER = re.compile("[0-9]{3}[- ][0-9]{2}[- ][0-9]{4}")
_ISBN_FILLER = re.compile(r"[\t\n\f\r -]+")
_ISBN10 = re.compile("[0-9]{9}[0-9X]")
_ISBN13 = re.compile("[0-9]{13}")
_NO_DIGITS = re.compile("[^0-9]+")
# Visa, Mastercard, Discover, American Express, Diners Club, JCB.
_CREDIT_CARD = re.compile(
    "4[0-9]{12}(?:[0-9]{3})?"
    "|5[1-5][0-9]{14}"
    "|6(?:011|5[0-9]{2})[0-9]{12}"
    "|3[47][0-9]{13}"
    "|3(?:0[0-5]|[68][0-9])[0-9]{11}"
    "|(?:2131|1800|35[0-9]{3})[0-9]{11}"
)


def _uuid(*, third: str, fourth: str) -> re.Pattern[str]:
    """Return a pattern of a UUID with these groups, in either case, dashes optional."""
    return re.compile(f"{_HEX}{{8}}-?{_HEX}{{4}}-?{third}-?{fourth}-?{_HEX}{{12}}")


_ANY_GROUP = f"{_HEX}{{4}}"
_RFC_VARIANT = f"[89abAB]{_HEX}{{3}}"
_UUID = _uuid(third=_ANY_GROUP, fourth=_ANY_GROUP)
_UUID3 = _uuid(third=f"3{_HEX}{{3}}", fourth=_ANY_GROUP)
_UUID4 = _uuid(third=f"4{_HEX}{{3}}", fourth=_RFC_VARIANT)
_UUID5 = _uuid(third=f"5{_HEX}{{3}}", fourth=_RFC_VARIANT)


def is_bson_object_id(text: str) -> bool:
    """Whether the text is twelve bytes in hexadecimal."""
    return _BSON_OBJECT_ID.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID of any version, in either case; dashes may be left out."""
    return _UUID.fullmatch(text) is not None


def is_uuid3(text: str) -> bool:
    """Whether the text is a UUID of version 3, whatever its variant."""
    return _UUID3.fullmatch(text) is not None


def is_uuid4(text: str) -> bool:
    """Whether the text is a UUID of version 4 and of the variant of RFC 9562."""
    return _UUID4.fullmatch(text) is not None


def is_uuid5(text: str) -> bool:
    """Whether the text is a UUID of version 5 and of the variant of RFC 9562."""
    return _UUID5.fullmatch(text) is not None


def is_isbn(text: str) -> bool:
    """Whether the text is an ISBN of either length."""
    return is_isbn10(text) or is_isbn13(text)


def is_isbn10(text: str) -> bool:
    """Whether the text is a valid ISBN-10, ignoring spaces and dashes."""
    digits = _ISBN_FILLER.sub("", text)
    if _ISBN10.fullmatch(digits) is None:
        return False
    values = [10 if digit == "X" else int(digit) for digit in digits]
    return sum(place * value for place, value in enumerate(values, start=1)) % 11 == 0


def is_isbn13(text: str) -> bool:
    """Whether the text is a valid ISBN-13, ignoring spaces and dashes.

    Any prefix is accepted, not only 978 and 979.
    """
    digits = _ISBN_FILLER.sub("", text)
    if _ISBN13.fullmatch(digits) is None:
        return False
    return sum((1, 3)[place % 2] * int(digit) for place, digit in enumerate(digits)) % 10 == 0


def is_credit_card(text: str) -> bool:
    """Whether the digits of the text, ignoring other characters, are a valid card number."""
    digits = _NO_DIGITS.sub("", text)
    if _CREDIT_CARD.fullmatch(digits) is None:
        return False
    # Luhn: every second digit from the right is doubled, and a two-digit result is replaced by its
    # digit sum.
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(doubled) + sum(int(digit) for digit in digits[::-2])) % 10 == 0


def is_social_security_number(text: str) -> bool:
    """Whether the text is a US Social Security number with separators."""
    return _SOCIAL_SECURITY_NUMBER.fullmatch(text) is not None


def is_hex_color(text: str) -> bool:
    """Whether the text is three or six hexadecimal digits, with or without ``#``."""
    return _HEX_COLOR.fullmatch(text) is not None


def is_rgb_color(text: str) -> bool:
    """Whether the text is ``rgb(0, 31, 255)``: lower case, no percentages, no leading zeros."""
    return _RGB_COLOR.fullmatch(text) is not None


def is_base64(text: str) -> bool:
    """Whether the text is padded base64 of the standard alphabet, not empty and on one line."""
    return len(text) % 4 == 0 and _BASE64.fullmatch(text) is not None
