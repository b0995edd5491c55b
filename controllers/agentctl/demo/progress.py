"""The demo's console output. Shell: the terminal."""

import dataclasses
import time
from collections.abc import Awaitable, Callable

import rich.console
import rich.markup
import rich.padding
import rich.rule
import rich.syntax

from controllers import kube
from schemagen import yaml


@dataclasses.dataclass
class Show:
    """The demo's console output, and the failed checks."""

    console: rich.console.Console
    step: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)

    def title(self, text: str) -> None:
        """Begin a step."""
        self.step += 1
        self.console.print()
        self.console.print(rich.rule.Rule(f"[bold]{self.step}. {text}", align="left", style="dim"))

    def text(self, text: str) -> None:
        """Print a line."""
        self.console.print(f"  {rich.markup.escape(text)}")

    def yaml(self, value: kube.JSON) -> None:
        """Print a value as YAML."""
        text = yaml.dumps(value).rstrip()
        syntax = rich.syntax.Syntax(text, "yaml", background_color="default", word_wrap=True)
        self.console.print(rich.padding.Padding(syntax, (0, 0, 0, 2)))

    def done(self, text: str, started: float) -> None:
        """Print a completed action with its duration."""
        self._line("[green]✓[/]", text, started)

    def check(self, text: str, is_true: bool) -> None:  # noqa: FBT001 - the only other argument
        """Print the result of a check; a failed check fails the demo."""
        if not is_true:
            self.failures.append(text)
        self._line("[green]✓[/]" if is_true else "[red]✗[/]", text)

    async def call(self, text: str, call: Callable[[], Awaitable[kube.JSON]]) -> kube.JSON:
        """Call the API server and print the duration."""
        started = time.perf_counter()
        answer = await call()
        self.done(text, started)
        return answer

    async def refusal(
        self, title: str, call: Callable[[], Awaitable[kube.JSON]], field: str
    ) -> None:
        """Make a call that must be rejected because of a field, and print the error."""
        self.title(f"{title}: rejected")
        started = time.perf_counter()
        try:
            await call()
        except kube.ApiError as error:
            self.text(str(error))
            self._line("[green]✓[/]", f"rejected with {error.code}", started)
            fields = [cause.field for cause in error.causes]
            self.check(f"the error names the field: {field}", field in fields)
        else:
            self.check(f"{title}: rejected", is_true=False)

    def outcome(self) -> int:
        """Print the summary; return the exit code."""
        self.console.print()
        for failure in self.failures:
            self.console.print(f"[red]failed:[/] {rich.markup.escape(failure)}")
        if self.failures:
            return 1
        self.console.print("[bold green]All steps behaved as described.[/]")
        self.console.print("Next: `make dev` keeps this running for use with kubectl.")
        return 0

    def _line(self, mark: str, text: str, started: float | None = None) -> None:
        took = "" if started is None else f"  [dim]{_duration(time.perf_counter() - started)}[/]"
        self.console.print(f"  {mark} {rich.markup.escape(text)}{took}")


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
