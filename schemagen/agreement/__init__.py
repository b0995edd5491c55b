"""Whether the model, the API server's code in process and a real API server judge alike."""

from schemagen.agreement.questions import Question, Said, Server, Subject
from schemagen.agreement.trial import Split, Tally, Trial, subjects

__all__ = ["Question", "Said", "Server", "Split", "Subject", "Tally", "Trial", "subjects"]
