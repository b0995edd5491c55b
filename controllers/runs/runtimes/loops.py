"""Whether a step's loop goes on: CEL over what the step left in its control file. Pure.

A condition is a user's program. So it is not evaluated here: what has to be known for a decision is
a question, which ``conditions`` has answered in a process of its own.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

import msgspec

from controllers.runs.runtimes.base import JSON

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
    loop: Mapping[str, JSON], completed: int, control: JSON, answers: Answers
) -> tuple[bool, str]:
    """Whether there is another iteration, and in a word why not.

    Args:
        loop: Of the step (v1beta1).
        completed: Iterations that succeeded.
        control: Content of the control file after the last; None where there was none.
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
    told = condition.get("control") or {}
    if control is None:
        return _without(
            told.get("onMissing"), "ControlMissing", "expected a control file, got none"
        )
    if not isinstance(control, dict):
        message = f"expected an object in the control file, got {type(control).__name__}"
        return _without(told.get("onInvalid"), "ControlInvalid", message)
    question = Question(expression, msgspec.json.encode(control), completed)
    if len(question.control) > MAX_CONTROL_BYTES:
        message = (
            f"expected a control file of at most {MAX_CONTROL_BYTES} bytes, got "
            f"{len(question.control)}"
        )
        return _without(told.get("onInvalid"), "ControlInvalid", message)
    answer = answers.get(question)
    if answer is None:
        raise UnansweredError(question)
    if isinstance(answer, ConditionError):
        raise answer
    return (True, "") if answer else (False, "ConditionFalse")


def is_kept(control: JSON) -> bool:
    """Whether a control file's content is one, and small enough to be kept in a status."""
    return isinstance(control, dict) and len(msgspec.json.encode(control)) <= MAX_CONTROL_BYTES


def _without(word: JSON, reason: str, message: str) -> tuple[bool, str]:
    if word == FAIL:
        raise ConditionError(message)
    return False, reason
