"""The artifacts of a workflow: those of all steps, prefixed with the step's name. Pure.

A step's report is read while its recorded state is Running. Its artifacts are carried in
``status.artifacts`` and ``status.missingArtifacts`` of the run until the workflow has ended.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from controllers.runs.runtimes import reports
from controllers.runs.runtimes.base import JSON, Progress
from controllers.runs.runtimes.reports import Files
from controllers.runs.runtimes.workflow.step_transitions import Piece


def merged(
    known: Mapping[str, JSON],
    steps: Sequence[Mapping[str, JSON]],
    seen: Mapping[Piece, Progress],
) -> Files:
    """Merge known files with those of the queried attempts, in the order of the steps.

    When a step runs again, its artifacts replace earlier ones of the same name.
    """
    artifacts = {artifact["name"]: artifact for artifact in known.get("artifacts") or ()}
    missing = dict.fromkeys(known.get("missingArtifacts") or ())
    omitted = known.get("artifactsOmitted") or 0
    for piece, progress in seen.items():
        step = steps[piece.index]["name"]
        named = (
            {**artifact, "name": _under(step, artifact["name"])} for artifact in progress.artifacts
        )
        artifacts |= {artifact["name"]: artifact for artifact in named}
        missing |= dict.fromkeys(_under(step, one) for one in progress.missing_artifacts)
        omitted += progress.artifacts_omitted
    order = {one["name"]: at for at, one in enumerate(steps)}

    def place(name: str) -> int:
        return order.get(name.partition("/")[0], len(order))

    listed = sorted(artifacts.values(), key=lambda one: place(one["name"]))
    left = sorted((one for one in missing if one not in artifacts), key=place)
    kept = _fitting(listed)
    return Files(kept, _fitting(left), omitted + len(listed) - len(kept))


def _under(step: str, name: str) -> str:
    """Return the name of a step's artifact in the run's status."""
    return f"{step}/{name}"[: reports.MAX_TEXT]


# 50 artifacts of maximum length would take 1 MB of the status.
MAX_BYTES: Final = 96 * 1024
T = TypeVar("T")


def _fitting(listed: Sequence[T]) -> list[T]:
    """Return the first items that fit, up to the maximum number."""
    kept, room = [], MAX_BYTES
    for artifact in listed[: reports.MAX_ARTIFACTS]:
        room -= len(msgspec.json.encode(artifact))
        if room < 0:
            break
        kept.append(artifact)
    return kept


def remembered(files: Files) -> dict[str, Any]:
    """Return the data to carry to the next reconciliation, as in the run's status."""
    return {
        "artifacts": [*files.artifacts],
        "missingArtifacts": [*files.missing],
        "artifactsOmitted": files.omitted,
    }
