"""The adapter `codex-app-server`: one turn of one thread. Shell around `codex_protocol`."""

import dataclasses
import signal
import time
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from controllers.runner import errors, processes, spec, status, templates
from controllers.runner.adapters import codex_protocol, context
from controllers.runner.errors import JSON

BINARY: Final = "/usr/local/bin/codex"
BOOTSTRAP_SECONDS: Final = 120.0
"""Default timeout of the thread's start, which includes the start of MCP servers."""

# Maximum message size: a message may contain the complete output of a command.
MAX_LINE_BYTES: Final = 32 * 1024 * 1024
# Time for the server to exit when the turn has ended.
_CLOSE_SECONDS: Final = 5.0

# Values of v1beta1 and of v1alpha1, which are the server's.
SANDBOXES: Final = ("read-only", "workspace-write", "danger-full-access")
APPROVALS: Final = ("untrusted", "on-failure", "on-request", "never")


def settings(
    codex: spec.Codex,
    run: spec.Run,
    aim: spec.Goal,
    *,
    names: Mapping[str, JSON],
    system_prompt: str | None,
    cwd: str,
) -> codex_protocol.Settings:
    """Return the settings of the server.

    Raises:
        SpecError: There is no prompt, or a value is unknown to the server.
    """

    def fill(template: str | None) -> str | None:
        return None if template is None else templates.render(template, names) or None

    sandbox = _word(codex.sandbox, SANDBOXES, "adapter.codex.sandbox")
    approval = _word(codex.approval, APPROVALS, "adapter.codex.approval")
    thread = {
        "model": fill(codex.model),
        "cwd": cwd,
        "approvalPolicy": approval,
        "sandbox": sandbox,
        "config": codex.thread_config,
        "baseInstructions": fill(codex.base_instructions) or system_prompt,
        "developerInstructions": fill(codex.developer_instructions),
        "experimentalRawEvents": codex.experimental_raw_events or None,
        "persistExtendedHistory": codex.persist_extended_history or None,
    }
    return codex_protocol.Settings(
        prompt=_prompt(fill(codex.prompt), run, aim),
        thread={name: value for name, value in thread.items() if value is not None},
        thread_id=fill(codex.thread_id),
        effort=fill(codex.effort),
        token_budget=aim.token_budget,
        # Without a sandbox, approval adds nothing, except for untrusted commands.
        is_accepting=sandbox == "danger-full-access" and approval != "untrusted",
        is_experimental=bool(codex.experimental_raw_events or codex.persist_extended_history),
    )


def _word(word: str | None, known: tuple[str, ...], where: str) -> str | None:
    if word is None:
        return None
    for each in known:
        if word.lower().replace("-", "") == each.replace("-", ""):
            return each
    raise errors.SpecError(
        f"expected one of {', '.join(known)}, got {errors.quoted(word)}, at {where}"
    )


def _prompt(stated: str | None, run: spec.Run, aim: spec.Goal) -> str:
    """Return the provider's prompt, or else the task and its goal."""
    if stated and stated.strip():
        return stated
    implementation = run.implementation or spec.Implementation()
    texts = (run.prompt, implementation.text, implementation.summary, run.issue_body)
    text_of_task = next((text for text in texts if text and text.strip()), None)
    if text_of_task and aim.objective:
        return f"{text_of_task}\n\nGoal: {aim.objective}"
    if text_of_task or aim.objective:
        return text_of_task or aim.objective or ""
    raise errors.SpecError(
        "expected a prompt in adapter.codex.prompt, or in prompt or implementation.text of "
        "run.json, got none"
    )


def command(codex: spec.Codex, names: Mapping[str, JSON]) -> tuple[str, ...]:
    """Return the command line of the server."""
    overrides = [templates.render(text, names) for text in codex.cli_config_overrides or ()]
    settings_ = [part for override in overrides for part in ("-c", override)]
    return (codex.binary_path or BINARY, *settings_, "app-server")


def run(
    codex: spec.Codex,
    run_: spec.Run,
    aim: spec.Goal,
    *,
    system_prompt: str | None,
    around: context.Context,
) -> status.Outcome:
    """Run the turn to its end and return the outcome.

    Raises:
        RunnerError: The server was not started.
    """
    cwd = _directory(codex, around)
    server_settings = settings(
        codex, run_, aim, names=around.names, system_prompt=system_prompt, cwd=cwd
    )
    line = command(codex, around.names)
    if any("\0" in part for part in line):
        raise errors.SpecError("expected text without NUL, got NUL, at adapter.codex")
    if around.signals.is_asked():
        return status.cancelled()
    bootstrap = codex.bootstrap_timeout_ms
    with processes.Child(
        line, directory=cwd, environment=around.environment, signals=around.signals, talks=True
    ) as child:
        conversation = _Conversation(
            child,
            server_settings,
            around,
            BOOTSTRAP_SECONDS if bootstrap is None else bootstrap / 1000,
        )
        ended = conversation.run()
    return dataclasses.replace(ended, binary=line[0], args=line[1:])


def _directory(codex: spec.Codex, around: context.Context) -> str:
    """Return the agent's working directory; created if it is in the workspace."""
    stated = templates.render(codex.cwd or "", around.names)
    if not stated:
        return str(around.place.root)
    if "\0" in stated:
        raise errors.SpecError("expected text without NUL, got NUL, at adapter.codex.cwd")
    path = around.place.at(stated)
    if not path.is_dir():
        try:
            around.place.inside(stated).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise errors.OutputError(f"could not create {path}: {error.strerror}") from error
    return str(path)


class _Conversation:
    """Passes messages between the server and `codex_protocol`, and applies timeouts."""

    def __init__(
        self,
        child: processes.Child,
        settings: codex_protocol.Settings,
        around: context.Context,
        bootstrap_seconds: float,
    ) -> None:
        self._child = child
        self._wanted = settings
        self._around = around
        self._state = codex_protocol.State()
        self._unread = bytearray()
        self._error: str | None = None
        self._is_cancelled = False
        self._bootstrap_seconds = bootstrap_seconds
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._plan((bootstrap_seconds, self._bootstrap_failed))

    def run(self) -> status.Outcome:
        self._step(codex_protocol.begin(self._wanted))
        while True:
            match self._child.next_event(self._due[0][0] if self._due else None):
                case processes.Output(stream=processes.OUTPUT, data=data):
                    self._read(data)
                case processes.Output(data=data):
                    self._around.tee.write(data)
                case processes.StopAsked():
                    self._stop()
                case processes.TimedOut():
                    self._due.pop(0)[1]()
                case processes.Ended(code=code):
                    return self._outcome(code)

    def _plan(self, *due: tuple[float, Callable[[], None]]) -> None:
        now = time.monotonic()
        self._due = [(now + seconds, act) for seconds, act in due]

    def _ending(self, after_seconds: float) -> tuple[tuple[float, Callable[[], None]], ...]:
        """Plan SIGTERM after part of the grace period, and SIGKILL at its end."""
        return ((after_seconds, self._terminate), (self._around.grace_seconds, self._kill))

    def _terminate(self) -> None:
        self._child.signal(signal.SIGTERM)

    def _kill(self) -> None:
        self._child.signal(signal.SIGKILL)

    def _bootstrap_failed(self) -> None:
        self._error = (
            f"expected codex app-server to start a thread within {self._bootstrap_seconds:g} s, "
            "got none"
        )
        self._plan(*self._ending(0))

    def _stop(self) -> None:
        """Interrupt the turn, if there is one, and allow it half of the grace period."""
        if self._is_cancelled or self._state.end is not None:
            return
        self._is_cancelled = True
        self._step(codex_protocol.interrupt(self._state))
        if not self._state.is_interrupted:
            self._plan(*self._ending(0))

    def _read(self, data: bytes) -> None:
        first, *others = data.split(b"\n")
        self._unread += first
        for part in others:
            line, self._unread = bytes(self._unread), bytearray(part)
            self._receive(line)
        if len(self._unread) > MAX_LINE_BYTES:
            self._unread.clear()
            self._error = (
                f"expected messages of at most {MAX_LINE_BYTES} bytes from codex app-server, "
                "got more"
            )
            self._plan(*self._ending(0))

    def _receive(self, line: bytes) -> None:
        self._around.tee.log(line + b"\n")
        try:
            message = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if not isinstance(message, dict):
            return
        if line_shown := codex_protocol.describe(message):
            self._around.tee.show(f"{line_shown}\n".encode(errors="replace"))
        self._step(codex_protocol.receive(self._wanted, self._state, message))

    def _step(self, step: codex_protocol.Step) -> None:
        before = self._state
        self._state, messages = step
        for message in messages:
            self._child.send(msgspec.json.encode(message) + b"\n")
        if self._state.end is not None and before.end is None:
            # The server exits at the end of its input.
            self._child.close_input()
            self._plan(*self._ending(min(_CLOSE_SECONDS, self._around.grace_seconds / 2)))
        elif self._state.is_interrupted and not before.is_interrupted:
            self._plan(*self._ending(self._around.grace_seconds / 2))
        elif self._state.thread_id is not None and before.thread_id is None:
            self._due = []

    def _outcome(self, code: int) -> status.Outcome:
        state = self._state
        if self._is_cancelled:
            ended = status.cancelled()
        elif self._error is None and state.end == "completed":
            ended = status.Outcome(status="succeeded", exit_code=0)
        elif self._error is None and state.end is None:
            died = status.ended(code)
            error = (
                f"codex app-server exited before the end of the turn: {died.error or 'exit code 0'}"
            )
            ended = dataclasses.replace(
                died, status="failed", exit_code=died.exit_code or 1, error=error
            )
        else:
            ended = status.failed(1, self._error or state.error or "the turn failed")
        return dataclasses.replace(
            ended,
            thread_id=state.thread_id,
            turn_id=state.turn_id,
            model=state.model,
            effort=state.effort,
            cwd=state.cwd,
        )
