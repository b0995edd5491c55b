"""Builds judges of older minor versions of Kubernetes for schemagen. Shell."""

import pathlib
from collections.abc import Callable

from controllers.devcluster import binaries, errors
from schemagen.compat import releases
from schemagen.judge import minors


def build(minor: minors.Minor, *, tell: Callable[[str], None]) -> pathlib.Path:
    """Build the judge of a minor version, unless it is built; return the path of its module.

    Raises:
        releases.ReleaseError: The message says what is missing, or ends with Go's output.
    """
    try:
        return binaries.older_judge(minor, tell=tell)
    except errors.DevclusterError as error:
        raise releases.ReleaseError(str(error)) from error
