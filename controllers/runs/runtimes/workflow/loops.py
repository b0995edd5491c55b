"""Whether a step's loop continues: CEL over the step's control file. Pure.

Conditions are untrusted programs. They are not evaluated here: a decision raises a question, which
``conditions`` answers in a separate process.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

import msgspec

from controllers.runs import json_access
from controllers.runs.runtimes.base import JSON
from controllers.runs.runtimes.reports import Control

FAIL: Final = "Fail"
# A pod's report is limited to 4 KiB; a workspace's may be larger. It is kept in the run's status.
MAX_CONTROL_BYTES: Final = 16 * 1024
_EXCERPT_CHARACTERS: Final = 200


class ConditionError(Exception):
    """The condition cannot be evaluated; the message says which and why. The step fails."""


class Question(NamedTuple):
    """A condition with its inputs.

    Attributes:
        expression: In CEL.
        control: Content of the control file, as JSON.
        iteration: Number of successful iterations.
    """

    expression: str
    control: bytes
    iteration: int

    @property
    def excerpt(self) -> str:
        """A prefix of it, for messages."""
        is_long = len(self.expression) > _EXCERPT_CHARACTERS
        return self.expression[:_EXCERPT_CHARACTERS] + ("…" if is_long else "")

    def encoded(self) -> bytes:
        """Return the input of ``condition_child``."""
        return msgspec.json.encode({**self._asdict(), "control": msgspec.Raw(self.control)})


Answers: TypeAlias = Mapping[Question, bool | ConditionError]


class UnansweredError(Exception):
    """A decision requires an answer; get it, and decide again."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.excerpt)
        self.question = question


def should_continue(
    loop: Mapping[str, JSON], completed: int, control: Control, answers: Answers
) -> tuple[bool, str]:
    """Return whether there is another iteration, and the reason if not.

    Args:
        loop: Of the step (v1beta1).
        completed: Number of successful iterations.
        control: The control file after the last of them.
        answers: To earlier questions.

    Raises:
        ConditionError: The condition cannot be evaluated, or its control file is missing or invalid
            and the settings treat that as failure.
        UnansweredError: An answer is required.
    """
    if completed >= loop["maxIterations"]:
        return False, "MaxIterations"
    condition = loop.get("while") or {}
    expression = condition.get("cel")
    if not expression:
        return True, ""
    settings = condition.get("control") or {}
    if problem := control.problem or _problem(control.content):
        return _without(settings.get("onInvalid"), "ControlInvalid", problem)
    if control.content is None:
        missing = "expected a control file, got none"
        return _without(settings.get("onMissing"), "ControlMissing", missing)
    question = Question(expression, msgspec.json.encode(control.content), completed)
    answer = answers.get(question)
    if answer is None:
        raise UnansweredError(question)
    if isinstance(answer, ConditionError):
        raise answer
    return (True, "") if answer else (False, "ConditionFalse")


def is_kept(content: JSON) -> bool:
    """Return whether the content is valid, and small enough for a status."""
    return content is not None and not _problem(content)


def _problem(content: JSON) -> str:
    """Return what is wrong with the content of a control file; empty if valid or missing."""
    if content is None:
        return ""
    if not isinstance(content, dict):
        return f"expected an object in the control file, got {type(content).__name__}"
    if not json_access.is_plain(content):
        return (
            f"expected a control file with at most {json_access.MAX_DEPTH} levels and 64-bit "
            "numbers, got other values"
        )
    size = len(msgspec.json.encode(content))
    if size > MAX_CONTROL_BYTES:
        return f"expected a control file of at most {MAX_CONTROL_BYTES} bytes, got {size}"
    return ""


def _without(word: JSON, reason: str, message: str) -> tuple[bool, str]:
    if word == FAIL:
        raise ConditionError(message)
    return False, reason
