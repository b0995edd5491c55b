"""The API server's own validation of CRDs and objects, in this process, without a cluster."""

from schemagen.judge.judge import (
    Cost,
    Judge,
    JudgeError,
    JudgeMissingError,
    JudgeTimeoutError,
    Loaded,
    Reading,
    Verdict,
)
from schemagen.problems import Cause

__all__ = [
    "Cause",
    "Cost",
    "Judge",
    "JudgeError",
    "JudgeMissingError",
    "JudgeTimeoutError",
    "Loaded",
    "Reading",
    "Verdict",
]
