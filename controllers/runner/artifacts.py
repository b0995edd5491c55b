"""Collects the declared artifacts. Shell: reads the files."""

import hashlib
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from controllers.runner import errors, spec, status, templates, workspace
from controllers.runner.errors import JSON

MAX_HASHED_BYTES: Final = 1024**3


def rendered(
    declared: Sequence[spec.Artifact], names: Mapping[str, JSON]
) -> tuple[spec.Artifact, ...]:
    """Return the artifacts with rendered templates, without unusable URLs."""

    def text(template: str | None) -> str | None:
        return None if template is None else templates.render(template, names) or None

    return tuple(
        spec.Artifact(
            name=text(artifact.name) or artifact.name,
            path=text(artifact.path),
            key=text(artifact.key),
            url=_address(text(artifact.url)),
        )
        for artifact in declared
    )


def _address(url: str | None) -> str | None:
    """Drop `data:` URLs, which would put a file's content into the status."""
    if url is None or url.strip().lower().startswith("data:") or len(url) > status.MAX_URL:
        return None
    return url


def collect(
    declared: Sequence[spec.Artifact], place: workspace.Workspace
) -> tuple[tuple[status.Produced, ...], tuple[str, ...]]:
    """Return the existing artifacts, and the names of the missing ones.

    An artifact outside of the workspace, such as through a symlink by the agent, counts as missing
    and is not read. One without a path is returned as declared.
    """
    produced = []
    missing = []
    for artifact in declared:
        measured = _found(artifact, place)
        if measured is None:
            missing.append(artifact.name)
        else:
            produced.append(measured)
    return tuple(produced), tuple(missing)


def _found(artifact: spec.Artifact, place: workspace.Workspace) -> status.Produced | None:
    stated = status.Produced(
        name=artifact.name, path=artifact.path, key=artifact.key, url=artifact.url
    )
    if artifact.path is None:
        return stated
    try:
        path = place.inside(artifact.path)
        if path.is_dir():
            return stated
        return _measured(stated, path) if path.is_file() else None
    except (errors.OutsideError, OSError):
        return None


def _measured(stated: status.Produced, path: pathlib.Path) -> status.Produced:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        # A sparse file may be larger than can be read.
        is_small = size <= MAX_HASHED_BYTES
        digest = hashlib.file_digest(file, "sha256").hexdigest() if is_small else None
    return msgspec.structs.replace(stated, bytes=size, sha256=digest)


def report(
    declared: Sequence[spec.Artifact], place: workspace.Workspace, written: status.Artifacts
) -> status.Artifacts:
    """Return the artifacts for the status, at most 50 of each kind."""
    produced, missing = collect(declared, place)
    limit = status.MAX_ARTIFACTS
    return msgspec.structs.replace(
        written,
        output_artifacts=produced[:limit],
        output_artifacts_omitted=len(produced[limit:]),
        missing_artifacts=missing[:limit],
        missing_artifacts_omitted=len(missing[limit:]),
    )
