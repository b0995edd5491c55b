"""Parse image references as container runtimes do. Pure.

The grammar and its defaults are those of github.com/distribution/reference (ParseDockerRef, which
the CRI uses): ``nginx`` is ``docker.io/library/nginx:latest``.
"""

import dataclasses
import re
from typing import Final

_DEFAULT_DOMAIN: Final = "docker.io"
# Other names of the same registry.
_ALIASES: Final = frozenset({"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
_LABEL: Final = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN: Final = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_COMPONENT: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH: Final = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST: Final = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-fA-F]{32,}")
# A bare ID would refer to an image by its ID on the node.
_ID: Final = re.compile(r"[a-f0-9]{64}")
_MAX_NAME: Final = 255


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """A normalized image reference.

    Attributes:
        domain: Host of the registry, lower case, without the HTTPS port.
        path: Path of the repository.
        tag: Defaults to ``latest`` without a tag and digest.
        digest: Takes precedence over the tag.
    """

    domain: str
    path: str
    tag: str
    digest: str

    @property
    def name(self) -> str:
        """Return registry and repository."""
        return f"{self.domain}/{self.path}"

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"

    @property
    def spellings(self) -> tuple[str, ...]:
        """Return all equivalent spellings: Docker Hub's domain and ``library/`` are optional."""
        full = str(self)
        if self.domain != _DEFAULT_DOMAIN:
            return (full,)
        short = full.replace(f"{_DEFAULT_DOMAIN}/library/", f"{_DEFAULT_DOMAIN}/")
        given = (spelling.removeprefix(f"{_DEFAULT_DOMAIN}/") for spelling in (full, short))
        # The domain of docker.io/example.com/app is not optional.
        return tuple(
            dict.fromkeys(
                (full, short, *(spelling for spelling in given if parse(spelling) == self))
            )
        )

    @property
    def with_tag(self) -> str:
        """Return the reference with the tag that the digest overrides."""
        return f"{self.name}:{self.tag}@{self.digest}" if self.digest and self.tag else str(self)


def parse(text: str) -> Reference | None:
    """Parse a reference; None if a container runtime would reject it."""
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        return None
    name, tag = _without_tag(rest)
    if tag is None or _ID.fullmatch(name):
        return None
    domain, path = _split(name)
    if not _DOMAIN.fullmatch(domain) or not _PATH.fullmatch(path) or len(name) > _MAX_NAME:
        return None
    return Reference(_canonical(domain), path, tag or ("" if digest else "latest"), digest)


def _without_tag(text: str) -> tuple[str, str | None]:
    """Return name and tag; the tag is empty if absent, and None if invalid."""
    name, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        return text, ""
    return name, tag if _TAG.fullmatch(tag) else None


def _split(name: str) -> tuple[str, str]:
    """Return domain and path, with Docker Hub's defaults."""
    first, slash, rest = name.partition("/")
    is_domain = "." in first or ":" in first or first == "localhost" or first != first.lower()
    domain, path = (first, rest) if slash and is_domain else (_DEFAULT_DOMAIN, name)
    is_official = _canonical(domain) == _DEFAULT_DOMAIN and "/" not in path
    return domain, f"library/{path}" if is_official else path


def _canonical(domain: str) -> str:
    lowered = domain.lower().removesuffix(":443")
    return _DEFAULT_DOMAIN if lowered in _ALIASES else lowered


def pattern(text: str) -> str:
    """Normalize the domain of a pattern, as in references."""
    domain, slash, path = text.partition("/")
    return f"{_canonical(domain)}/{path}" if slash else text
