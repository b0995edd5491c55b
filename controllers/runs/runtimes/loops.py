"""Whether a step's loop goes on: CEL over what the step left in its control file. Pure.

A condition is a user's program. So it is not evaluated here: what has to be known for a decision is
a question, which ``conditions`` has answered in a process of its own.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

import msgspec

from controllers.runs import values
from controllers.runs.runtimes.base import JSON
from controllers.runs.runtimes.reports import Control

FAIL: Final = "Fail"
# A pod's report has 4 KiB; a workspace's may have more. It is kept in the run's status.
MAX_CONTROL_BYTES: Final = 16 * 1024
_EXCERPT_CHARACTERS: Final = 200


class ConditionError(Exception):
    """The condition has no answer; says which and why. The loop, and with it the step, fails."""


class Question(NamedTuple):
    """A condition, and what it is about.

    Attributes:
        expression: In CEL.
        control: Content of the control file, as JSON.
        iteration: Iterations that succeeded.
    """

    expression: str
    control: bytes
    iteration: int

    @property
    def excerpt(self) -> str:
        """Its beginning, for a message."""
        is_long = len(self.expression) > _EXCERPT_CHARACTERS
        return self.expression[:_EXCERPT_CHARACTERS] + ("…" if is_long else "")

    def encoded(self) -> bytes:
        """As ``condition_child`` reads it."""
        return msgspec.json.encode({**self._asdict(), "control": msgspec.Raw(self.control)})


Answers: TypeAlias = Mapping[Question, bool | ConditionError]


class UnansweredError(Exception):
    """A decision needs the answer to a question; ask, and decide again."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.excerpt)
        self.question = question


def goes_on(
    loop: Mapping[str, JSON], completed: int, control: Control, answers: Answers
) -> tuple[bool, str]:
    """Whether there is another iteration, and in a word why not.

    Args:
        loop: Of the step (v1beta1).
        completed: Iterations that succeeded.
        control: The control file after the last of them.
        answers: To the questions that were asked before.

    Raises:
        ConditionError: The condition cannot be evaluated, or its control file is missing or no
            object where that means failure.
        UnansweredError: The answer is not known yet.
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
    """Whether a control file's content is one, and small enough to be kept in a status."""
    return content is not None and not _problem(content)


def _problem(content: JSON) -> str:
    """What is wrong with the content of a control file; empty if nothing is, or there is none."""
    if content is None:
        return ""
    if not isinstance(content, dict):
        return f"expected an object in the control file, got {type(content).__name__}"
    if not values.is_plain(content):
        return (
            f"expected a control file of at most {values.MAX_DEPTH} levels and of numbers of 64 "
            "bits, got others"
        )
    size = len(msgspec.json.encode(content))
    if size > MAX_CONTROL_BYTES:
        return f"expected a control file of at most {MAX_CONTROL_BYTES} bytes, got {size}"
    return ""


def _without(word: JSON, reason: str, message: str) -> tuple[bool, str]:
    if word == FAIL:
        raise ConditionError(message)
    return False, reason
