"""Findings of ``webhooks lint`` as values. Pure."""

import dataclasses
from typing import Final, Literal

MAX_MESSAGE_CHARACTERS: Final = 500
PRIVATE_KEY: Final = "PRIVATE KEY"

Level = Literal["error", "warning"]


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    """A single problem.

    Attributes:
        field: As the API server writes it: ``webhooks[0].timeoutSeconds``; empty for the object.
        rule: Short name of the rule.
        subject: ``ValidatingWebhookConfiguration/x``.
    """

    field: str
    level: Level
    rule: str
    message: str
    subject: str = ""

    @property
    def where(self) -> str:
        """The object and the field."""
        return f"{self.subject} {self.field}".strip()

    def __str__(self) -> str:
        return f"{self.level}: {self.where}: {self.message} [{self.rule}]"


def printable(message: str) -> str:
    """Return a single-line message without secrets: the API server quotes refused values."""
    if PRIVATE_KEY in message:
        return "expected no private key, got one"
    text = " ".join(message.split())
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else f"{text[:MAX_MESSAGE_CHARACTERS]}…"
