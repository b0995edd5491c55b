"""The Kubernetes version of the embedded control plane. Pure except for an environment variable."""

import dataclasses
import os
import re
from collections.abc import Mapping

from controllers.devcluster import errors

# The only line to change for an upgrade; see docs/devcluster.md.
KUBERNETES_VERSION = "1.37.2"

# Overrides the version for a run.
VARIABLE = "KUBEWRIGHT_KUBERNETES_VERSION"

_NUMBERS = re.compile(r"(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?")


@dataclasses.dataclass(frozen=True, order=True)
class Version:
    """A semantic version."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def found_in(cls, text: str) -> "Version | None":
        """Parse the first version in a text: ``Kubernetes v1.37.2``, ``etcd Version: 3.7.3``."""
        match = _NUMBERS.search(text)
        return cls(*(int(number or 0) for number in match.groups())) if match else None

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


# The oldest supported and tested version: N-3 of the newest.
OLDEST = Version(1, 34)


def wanted(environment: Mapping[str, str] = os.environ) -> Version:
    """Return the requested Kubernetes version.

    Raises:
        errors.VersionError: The environment variable is not a supported version.
    """
    text = environment.get(VARIABLE) or KUBERNETES_VERSION
    version = Version.found_in(text)
    if version is None or version < OLDEST:
        raise errors.VersionError(
            f"expected {VARIABLE} to be version {OLDEST} or newer, got {text!r}"
        )
    return version
