"""The one list of checks, in the order of the report, and the choice among them. Pure."""

from collections.abc import Sequence
from typing import Final

from controllers.agentctl.diagnose.check import Check
from controllers.agentctl.diagnose.checks import (
    api_server,
    definitions,
    objects,
    platform,
    runs,
    surroundings,
    webhooks,
)
from controllers.agentctl.diagnose.observation import Mode
from controllers.agentctl.exits import CommandError
from schemagen.problems import quoted

_OWN: Final = (
    *api_server.CHECKS,
    *definitions.CHECKS,
    *webhooks.CHECKS,
    *platform.CHECKS,
    *runs.CHECKS,
    *objects.CHECKS,
    *surroundings.CHECKS,
)
CHECKS: Final = (*_OWN, surroundings.suppressed([check.id for check in _OWN]))
"""All checks."""


def chosen(mode: Mode, only: Sequence[str], skipped: Sequence[str]) -> list[Check]:
    """Return the checks to run.

    Args:
        mode: What is diagnosed.
        only: Ids of checks; nothing stands for all of the mode.
        skipped: Ids of checks.

    Raises:
        CommandError: A word is not the id of a check of the mode.
    """
    checks = [
        check
        for check in CHECKS
        if (check.is_before_install if mode == "pre" else check.is_after_install)
    ]
    known = {check.id for check in checks}
    for word in (*only, *skipped):
        if word not in known:
            raise CommandError(
                f"expected the id of a check, as `agentctl diagnose --list` prints them, got "
                f"{quoted(word)}"
            )
    return [check for check in checks if check.id not in skipped and (not only or check.id in only)]
