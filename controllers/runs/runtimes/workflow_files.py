"""The artifacts of a workflow: those of all its steps, each under its step's name. Pure.

A step's report is read while its state says that it runs. What it named is carried along in
``status.artifacts`` and ``status.missingArtifacts`` of the run, until the workflow is over.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from controllers.runs.runtimes import reports
from controllers.runs.runtimes.base import JSON, Progress
from controllers.runs.runtimes.reports import Files
from controllers.runs.runtimes.workflow_steps import Piece


def merged(
    known: Mapping[str, JSON],
    steps: Sequence[Mapping[str, JSON]],
    seen: Mapping[Piece, Progress],
) -> Files:
    """What was known, and what the attempts say that were looked at, in the order of the steps.

    Of a step that runs again, a later artifact takes the place of an earlier one of its name.
    """
    artifacts = {one["name"]: one for one in known.get("artifacts") or ()}
    missing = dict.fromkeys(known.get("missingArtifacts") or ())
    omitted = known.get("artifactsOmitted") or 0
    for piece, progress in seen.items():
        step = steps[piece.index]["name"]
        named = ({**one, "name": _under(step, one["name"])} for one in progress.artifacts)
        artifacts |= {one["name"]: one for one in named}
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
    """The name of a step's artifact among those of the run."""
    return f"{step}/{name}"[: reports.MAX_TEXT]


# Of 50 artifacts alone, each at its longest, a status would have 1 MB.
MAX_BYTES: Final = 96 * 1024
T = TypeVar("T")


def _fitting(listed: Sequence[T]) -> list[T]:
    """The first of them, as many as a status lists and as find room."""
    kept, room = [], MAX_BYTES
    for one in listed[: reports.MAX_ARTIFACTS]:
        room -= len(msgspec.json.encode(one))
        if room < 0:
            break
        kept.append(one)
    return kept


def remembered(files: Files) -> dict[str, Any]:
    """What has to be known of them at the next look, as the run's status has it."""
    return {
        "artifacts": [*files.artifacts],
        "missingArtifacts": [*files.missing],
        "artifactsOmitted": files.omitted,
    }
