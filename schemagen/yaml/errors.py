"""Error of unparsable text."""

from schemagen.problems import UserError


class YAMLError(UserError):
    """A text is not YAML or JSON that kubectl can parse; the message says where and why.

    Attributes:
        problem: What is wrong, in the words of kubectl's parser.
        line: The line of the problem, from 1.
    """

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(f"line {line}: {problem}")
        self.problem, self.line = problem, line
