"""All situations."""

from typing import Final

from tests.support.situations import (
    admission,
    fields,
    foreign,
    hands,
    pods,
    processes,
    reports,
    workflows,
)
from tests.support.situations.situation import Situation

SITUATIONS: Final[tuple[Situation, ...]] = (
    *pods.SITUATIONS,
    *admission.SITUATIONS,
    *foreign.SITUATIONS,
    *hands.SITUATIONS,
    *workflows.SITUATIONS,
    *reports.SITUATIONS,
    *processes.SITUATIONS,
    *fields.SITUATIONS,
)
