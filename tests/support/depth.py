"""How far the tests go: a sample of what is drawn or enumerated, or everything.

``KUBEWRIGHT_DEEP=1`` (``make test-deep``) is everything. Otherwise a property is checked with a
tenth of its draws, and tests marked ``deep`` are left out; each has a smaller version that runs.
"""

import math
import os
from collections.abc import Sequence
from typing import Final, TypeVar

from hypothesis import HealthCheck, settings

T = TypeVar("T")

DEEP: Final = os.environ.get("KUBEWRIGHT_DEEP", "") not in {"", "0"}
SHARE: Final = 1 if DEEP else 10


def draws(number: int) -> int:
    """Return how many of a number of draws are made."""
    return math.ceil(number / SHARE)


def some(values: Sequence[T], least: int = 20) -> Sequence[T]:
    """Return every tenth value, or as many more as the least number needs."""
    return values[:: max(1, min(SHARE, len(values) // least))]


def load_profile() -> None:
    """Let Hypothesis draw as often; no draw has a deadline, as machines differ."""
    settings.register_profile(
        "kubewright",
        max_examples=draws(100),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("kubewright")
