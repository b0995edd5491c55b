"""Image references, read as container runtimes read them. Pure.

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
# A bare one would name an image by its id on the node.
_ID: Final = re.compile(r"[a-f0-9]{64}")
_MAX_NAME: Final = 255


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    """An image, in one spelling.

    Attributes:
        domain: Of the registry, lower case, without the port of HTTPS.
        path: Of the repository.
        tag: ``latest`` where there is neither a tag nor a digest.
        digest: It decides where there is one, and the tag does not count.
    """

    domain: str
    path: str
    tag: str
    digest: str

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.domain}/{self.path}"

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"

    @property
    def spellings(self) -> tuple[str, ...]:
        """All that mean the same: Docker Hub's domain and folder may be left out."""
        whole = str(self)
        if self.domain != _DEFAULT_DOMAIN:
            return (whole,)
        short = whole.replace(f"{_DEFAULT_DOMAIN}/library/", f"{_DEFAULT_DOMAIN}/")
        given = (one.removeprefix(f"{_DEFAULT_DOMAIN}/") for one in (whole, short))
        # In docker.io/example.com/app, the domain may not be left out.
        return tuple(dict.fromkeys((whole, short, *(one for one in given if parse(one) == self))))

    @property
    def with_tag(self) -> str:
        """With the tag that does not count beside the digest."""
        return f"{self.name}:{self.tag}@{self.digest}" if self.digest and self.tag else str(self)


def parse(text: str) -> Reference | None:
    """The reference that a text is; None if a container runtime would take it for none."""
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
    """Name and tag; the tag is empty if there is none, and None if it is no tag."""
    name, colon, tag = text.rpartition(":")
    if not colon or "/" in tag:
        return text, ""
    return name, tag if _TAG.fullmatch(tag) else None


def _split(name: str) -> tuple[str, str]:
    """Domain and path, with the defaults of Docker Hub."""
    first, slash, rest = name.partition("/")
    is_domain = "." in first or ":" in first or first == "localhost" or first != first.lower()
    domain, path = (first, rest) if slash and is_domain else (_DEFAULT_DOMAIN, name)
    is_official = _canonical(domain) == _DEFAULT_DOMAIN and "/" not in path
    return domain, f"library/{path}" if is_official else path


def _canonical(domain: str) -> str:
    lowered = domain.lower().removesuffix(":443")
    return _DEFAULT_DOMAIN if lowered in _ALIASES else lowered


def pattern(text: str) -> str:
    """A pattern with its domain as references have it."""
    domain, slash, path = text.partition("/")
    return f"{_canonical(domain)}/{path}" if slash else text
