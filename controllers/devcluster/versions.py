"""Which Kubernetes the embedded control plane runs. Pure but for one environment variable."""

import dataclasses
import os
import re
from collections.abc import Mapping

from controllers.devcluster import errors

# The one line to change; see docs/devcluster.md.
KUBERNETES_VERSION = "1.37.2"

# Overrides it for one run.
VARIABLE = "KUBEWRIGHT_KUBERNETES_VERSION"

_NUMBERS = re.compile(r"(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?")


@dataclasses.dataclass(frozen=True, order=True)
class Version:
    """Major, minor and patch number."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def found_in(cls, text: str) -> "Version | None":
        """The first version that a text holds: ``Kubernetes v1.37.2``, ``etcd Version: 3.7.3``."""
        found = _NUMBERS.search(text)
        return cls(*(int(number or 0) for number in found.groups())) if found else None

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


# What Kubewright supports, and what it is tested with: N-3 of the newest.
OLDEST = Version(1, 34)


def wanted(environment: Mapping[str, str] = os.environ) -> Version:
    """The Kubernetes version to run.

    Raises:
        errors.VersionError: if the environment asks for something that is no version.
    """
    text = environment.get(VARIABLE) or KUBERNETES_VERSION
    version = Version.found_in(text)
    if version is None or version < OLDEST:
        raise errors.VersionError(
            f"expected {VARIABLE} to be a version from {OLDEST} on, got {text!r}"
        )
    return version
