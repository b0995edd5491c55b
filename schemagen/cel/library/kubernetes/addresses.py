"""Kubernetes' IP addresses and networks (apiserver 1.37; messages of Go 1.26's net/netip)."""

import dataclasses
import ipaddress
import re
from typing import NoReturn

from schemagen import go_format
from schemagen.cel.library.registry import function
from schemagen.cel.values import EvaluationError, Typed, Value, no_such_overload

IPV4_BITS, IPV6_BITS = 32, 128
_GROUPS, _GROUP_DIGITS, _FIELDS = 8, 4, 4
_MAX_FIELD = 255


class AddressProblemError(Exception):
    """A text is not an address; the message is netip's."""


class _Refusal:
    """Formats netip's error messages."""

    def __init__(self, text: str) -> None:
        self._text = text

    def refuse(self, problem: str, at: str = "") -> NoReturn:
        where = f" (at {go_format.quoted(at)})" if at else ""
        raise AddressProblemError(f"ParseAddr({go_format.quoted(self._text)}): {problem}{where}")


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """An address as netip.Addr stores it.

    Attributes:
        number: Its bits.
        bits: Their number: 32 or 128.
        zone: IPv6 zone.
    """

    number: int
    bits: int
    zone: str = ""

    @property
    def is_mapped(self) -> bool:
        """Return whether it is an IPv4-mapped IPv6 address: ``::ffff:1.2.3.4``."""
        return self.bits == IPV6_BITS and self.number >> IPV4_BITS == 0xFFFF  # noqa: PLR2004

    def __str__(self) -> str:
        if self.bits == IPV4_BITS:
            return str(ipaddress.IPv4Address(self.number))
        return str(ipaddress.IPv6Address(self.number))


def parsed(text: str) -> Address:
    """netip.ParseAddr.

    Raises:
        AddressProblemError: with netip's message.
    """
    refusal = _Refusal(text)
    for character in text:
        if character == ".":
            return Address(_ipv4(text, refusal), IPV4_BITS)
        if character == ":":
            return _ipv6(text, refusal)
        if character == "%":
            refusal.refuse("missing IPv6 address")
    return refusal.refuse("unable to parse IP")


def _ipv4(text: str, refusal: _Refusal) -> int:
    fields: list[int] = []
    value = digits = 0
    for place, character in enumerate(text):
        if character in "0123456789":
            if digits == 1 and value == 0:
                refusal.refuse("IPv4 field has octet with leading zero")
            value, digits = value * 10 + int(character), digits + 1
            if value > _MAX_FIELD:
                refusal.refuse("IPv4 field has value >255")
        elif character == ".":
            _check_dot(text, place, fields, refusal)
            fields.append(value)
            value = digits = 0
        else:
            refusal.refuse("unexpected character", text[place:])
    if len(fields) < _FIELDS - 1:
        refusal.refuse("IPv4 address too short")
    return int.from_bytes(bytes((*fields, value)))


def _check_dot(text: str, place: int, fields: list[int], refusal: _Refusal) -> None:
    if place in {0, len(text) - 1} or text[place - 1] == ".":
        refusal.refuse("IPv4 field must have at least one digit", text[place:])
    if len(fields) == _FIELDS - 1:
        refusal.refuse("IPv4 address too long")


_HEX = re.compile(r"[0-9a-fA-F]*")


class _Groups:
    """Parser state of the groups of an IPv6 address."""

    def __init__(self, rest: str, refusal: _Refusal) -> None:
        self.rest, self._refusal = rest, refusal
        self.found: list[int] = []
        self.gap: int | None = None

    def read(self) -> int:
        if self.rest.startswith("::"):
            self.gap, self.rest = 0, self.rest[2:]
            if not self.rest:
                return 0
        while len(self.found) < _GROUPS and self._group():
            pass
        if self.rest:
            self._refusal.refuse("trailing garbage after address", self.rest)
        return self._number()

    def _group(self) -> bool:
        """Parse a group and the following colon; return whether another group may follow."""
        digits = self._digits()
        if self.rest[len(digits) :].startswith("."):
            self._embedded()
            return False
        self.found.append(int(digits, 16))
        self.rest = self.rest[len(digits) :]
        if not self.rest:
            return False
        if not self.rest.startswith(":"):
            self._refusal.refuse("unexpected character, want colon", self.rest)
        if len(self.rest) == 1:
            self._refusal.refuse("colon must be followed by more characters", self.rest)
        self.rest = self.rest[1:]
        return self._ellipsis()

    def _digits(self) -> str:
        match = _HEX.match(self.rest)
        digits = match[0] if match is not None else ""
        if len(digits) > _GROUP_DIGITS:
            self._refusal.refuse("each group must have 4 or less digits", self.rest)
        if not digits:
            self._refusal.refuse(
                "each colon-separated field must have at least one digit", self.rest
            )
        return digits

    def _embedded(self) -> None:
        if self.gap is None and len(self.found) != _GROUPS - 2:
            self._refusal.refuse(
                "embedded IPv4 address must replace the final 2 fields of the address", self.rest
            )
        if len(self.found) > _GROUPS - 2:
            self._refusal.refuse(
                "too many hex fields to fit an embedded IPv4 at the end of the address", self.rest
            )
        number = _ipv4(self.rest, self._refusal)
        self.found += divmod(number, 1 << 16)
        self.rest = ""

    def _ellipsis(self) -> bool:
        if not self.rest.startswith(":"):
            return True
        if self.gap is not None:
            self._refusal.refuse("multiple :: in address", self.rest)
        self.gap, self.rest = len(self.found), self.rest[1:]
        return bool(self.rest)

    def _number(self) -> int:
        missing = _GROUPS - len(self.found)
        if missing and self.gap is None:
            self._refusal.refuse("address string too short")
        if not missing and self.gap is not None:
            self._refusal.refuse("the :: must expand to at least one field of zeros")
        gap = self.gap or 0
        every = [*self.found[:gap], *[0] * missing, *self.found[gap:]]
        return int.from_bytes(b"".join(group.to_bytes(2) for group in every))


def _ipv6(text: str, refusal: _Refusal) -> Address:
    rest, percent, zone = text.partition("%")
    if percent and not zone:
        refusal.refuse("zone must be a non-empty string")
    return Address(_Groups(rest, refusal).read(), IPV6_BITS, zone)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class IP(Typed):
    """An IP address."""

    address: Address

    type_name = "net.IP"

    def equals(self, other: Value) -> bool:
        """Return whether they are the same address."""
        if type(other) is not IP:
            raise no_such_overload()
        return self.address == other.address


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class CIDR(Typed):
    """A network: an address and its prefix length."""

    address: Address
    length: int

    type_name = "net.CIDR"

    def equals(self, other: Value) -> bool:
        """Return whether address and prefix length are the same."""
        if type(other) is not CIDR:
            raise no_such_overload()
        return (self.address, self.length) == (other.address, other.length)

    def start(self, length: int) -> int:
        """Return the first bits of the address."""
        return self.address.number >> (self.address.bits - length)


def _ip(text: str) -> Address:
    """Parse like parseIPAddr of apiserver's library."""
    try:
        address = parsed(text)
    except AddressProblemError as error:
        what = f"IP Address {go_format.quoted(text)} parse error during conversion from string"
        raise EvaluationError(f"{what}: {error}") from error
    if address.zone:
        raise EvaluationError(f"IP address {go_format.quoted(text)} with zone value is not allowed")
    if address.is_mapped:
        raise EvaluationError(f"IPv4-mapped IPv6 address {go_format.quoted(text)} is not allowed")
    return address


@function("ip", str)
def to_ip(text: str) -> IP:
    """Parse an address."""
    return IP(_ip(text))


@function("isIP", str)
def is_ip(text: str) -> bool:
    """Return whether the text is an address."""
    try:
        _ip(text)
    except EvaluationError:
        return False
    return True


@function("ip.isCanonical", str)
def is_canonical(text: str) -> bool:
    """Return whether the address is written in its canonical form."""
    return str(_ip(text)) == text


@function("string", IP)
def ip_text(value: IP) -> str:
    """Return the canonical form."""
    return str(value.address)


@function("family", IP)
def family(value: IP) -> int:
    """Return 4 or 6."""
    return 4 if value.address.bits == IPV4_BITS else 6


def _begins(value: IP, ipv4: str, ipv6: str) -> bool:
    network = ipaddress.ip_network(ipv4 if value.address.bits == IPV4_BITS else ipv6)
    shift = network.max_prefixlen - network.prefixlen
    return value.address.number >> shift == int(network.network_address) >> shift


@function("isUnspecified", IP)
def is_unspecified(value: IP) -> bool:
    """``0.0.0.0`` and ``::``."""
    return value.address.number == 0


@function("isLoopback", IP)
def is_loopback(value: IP) -> bool:
    """``127.0.0.0/8`` and ``::1``."""
    return _begins(value, "127.0.0.0/8", "::1/128")


@function("isLinkLocalMulticast", IP)
def is_link_local_multicast(value: IP) -> bool:
    """``224.0.0.0/24`` and ``ffx2::/16``."""
    if value.address.bits == IPV4_BITS:
        return _begins(value, "224.0.0.0/24", "::/0")
    return value.address.number >> 112 & 0xFF0F == 0xFF02  # noqa: PLR2004 - the flags are free


@function("isLinkLocalUnicast", IP)
def is_link_local_unicast(value: IP) -> bool:
    """``169.254.0.0/16`` and ``fe80::/10``."""
    return _begins(value, "169.254.0.0/16", "fe80::/10")


@function("isGlobalUnicast", IP)
def is_global_unicast(value: IP) -> bool:
    """All other addresses except multicast and IPv4 broadcast; private addresses count."""
    is_broadcast = value.address.bits == IPV4_BITS and value.address.number == 2**IPV4_BITS - 1
    return not (
        is_broadcast
        or is_unspecified(value)
        or is_loopback(value)
        or is_link_local_unicast(value)
        or _begins(value, "224.0.0.0/4", "ff00::/8")
    )


_PREFIX_PROBLEM = "network address parse error during conversion from string"


def _network(text: str) -> CIDR:
    """netip.ParsePrefix, without IPv4-mapped IPv6 addresses."""
    try:
        network = _prefix(text)
    except AddressProblemError as error:
        raise EvaluationError(
            f"{_PREFIX_PROBLEM}: {_PREFIX_PROBLEM}: "
            f"netip.ParsePrefix({go_format.quoted(text)}): {error}"
        ) from error
    if network.address.is_mapped:
        what = f"IPv4-mapped IPv6 address {go_format.quoted(text)} is not allowed"
        raise EvaluationError(f"{_PREFIX_PROBLEM}: {what}")
    return network


_LENGTH = re.compile(r"[0-9]|[1-9][0-9]+")
_MAX_PREFIX_LENGTH = 18


def _prefix(text: str) -> CIDR:
    before, slash, length = text.rpartition("/")
    if not slash:
        raise AddressProblemError("no '/'")
    address = parsed(before)
    if address.zone:
        raise AddressProblemError("IPv6 zones cannot be present in a prefix")
    if not _LENGTH.fullmatch(length) or len(length) > _MAX_PREFIX_LENGTH:
        raise AddressProblemError(f"bad bits after slash: {go_format.quoted(length)}")
    if int(length) > address.bits:
        raise AddressProblemError("prefix length out of range")
    return CIDR(address, int(length))


@function("cidr", str)
def to_cidr(text: str) -> CIDR:
    """Parse a network."""
    return _network(text)


@function("isCIDR", str)
def is_cidr(text: str) -> bool:
    """Return whether the text is a network."""
    try:
        _network(text)
    except EvaluationError:
        return False
    return True


@function("string", CIDR)
def cidr_text(value: CIDR) -> str:
    """``address/length``."""
    return f"{value.address}/{value.length}"


@function("ip", CIDR)
def cidr_address(value: CIDR) -> IP:
    """Return its address."""
    return IP(value.address)


@function("prefixLength", CIDR)
def prefix_length(value: CIDR) -> int:
    """Return the prefix length."""
    return value.length


@function("masked", CIDR)
def masked(value: CIDR) -> CIDR:
    """Return the network without host bits."""
    address = value.address
    free = address.bits - value.length
    return CIDR(Address(address.number >> free << free, address.bits), value.length)


@function("containsIP", CIDR, IP)
def contains_ip(value: CIDR, other: IP) -> bool:
    """Return whether the address is in the network."""
    if value.address.bits != other.address.bits:
        return False
    free = value.address.bits - value.length
    return value.start(value.length) == other.address.number >> free


@function("containsIP", CIDR, str)
def contains_ip_text(value: CIDR, text: str) -> bool:
    """Return whether the address is in the network; invalid ones have no message in apiserver."""
    try:
        other = to_ip(text)
    except EvaluationError as error:
        raise no_such_overload() from error
    return contains_ip(value, other)


@function("containsCIDR", CIDR, CIDR)
def contains_cidr(value: CIDR, other: CIDR) -> bool:
    """Return whether the second network is in the first."""
    if value.address.bits != other.address.bits or value.length > other.length:
        return False
    return value.start(value.length) == other.start(value.length)


@function("containsCIDR", CIDR, str)
def contains_cidr_text(value: CIDR, text: str) -> bool:
    """Return whether the second network is in the first."""
    return contains_cidr(value, to_cidr(text))
