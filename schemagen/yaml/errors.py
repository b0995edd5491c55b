"""What a text that cannot be read raises."""

from schemagen.problems import UserError


class YAMLError(UserError):
    """A text is no YAML or JSON that kubectl would read; users read where and why.

    Attributes:
        problem: What is wrong, in the words of kubectl's reader.
        line: The line of the text that shows it, from 1.
    """

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(f"line {line}: {problem}")
        self.problem, self.line = problem, line
