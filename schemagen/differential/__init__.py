"""Differential tests: the model, the API server's code in process and a real API server."""

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from schemagen.differential.questions import Question, Said, Server, Subject
    from schemagen.differential.trial import Split, Tally, Trial, subjects

__all__ = ["Question", "Said", "Server", "Split", "Subject", "Tally", "Trial", "subjects"]

_QUESTIONS: Final = frozenset({"Question", "Said", "Server", "Subject"})


def __getattr__(name: str) -> Any:
    """Import modules on first access: callers that only generate objects need no judge."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "questions" if name in _QUESTIONS else "trial"
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
