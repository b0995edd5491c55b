"""The client's side of the protocol of `codex app-server`. Pure.

JSON-RPC 2.0 without its header, one message per line, for one thread and one turn, as in
https://github.com/openai/codex/blob/main/codex-rs/app-server/README.md::

    initialize -> initialized -> thread/start or thread/resume -> turn/start -> ... turn/completed
"""

import dataclasses
from typing import Final, Literal, TypeAlias

from controllers.runner.errors import JSON

Message: TypeAlias = dict[str, JSON]

# One request of each kind is sent: its ID identifies it.
INITIALIZE: Final = 1
THREAD: Final = 2
TURN: Final = 3
INTERRUPT: Final = 4
_ASKED: Final = {INITIALIZE: "initialize", THREAD: "the thread's start", TURN: "turn/start"}

METHOD_NOT_FOUND: Final = -32601

CLIENT: Final = {
    "name": "kubewright_agent_runner",
    "title": "Kubewright agent-runner",
    "version": "1",
}
# Parts of what `item/completed` reports as a whole; they would fill the log.
DELTAS: Final = (
    "item/agentMessage/delta",
    "item/commandExecution/outputDelta",
    "item/fileChange/outputDelta",
    "item/plan/delta",
    "item/reasoning/summaryTextDelta",
    "item/reasoning/textDelta",
    "turn/diff/updated",
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the server."""

    prompt: str
    thread: Message = dataclasses.field(default_factory=dict)
    """Parameters of thread/start and thread/resume, without the thread."""
    thread_id: str | None = None
    """The thread to resume, if not a new one."""
    effort: str | None = None
    token_budget: int | None = None
    is_accepting: bool = False
    """Whether to accept commands and file changes that the server asks about."""
    is_experimental: bool = False
    """Whether `thread` has parameters that require the server's experimental API."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """State of the conversation."""

    end: Literal["completed", "interrupted", "failed"] | None = None
    error: str | None = None
    thread_id: str | None = None
    turn_id: str | None = None
    model: str | None = None
    effort: str | None = None
    cwd: str | None = None
    tokens_before: int | None = None
    """Tokens used by the thread before this turn, once reported by the server."""
    is_interrupted: bool = False


Step: TypeAlias = tuple[State, list[Message]]


def begin(settings: Settings) -> Step:
    """Return the initial state and messages."""
    capabilities: Message = {"optOutNotificationMethods": list(DELTAS)}
    if settings.is_experimental:
        capabilities["experimentalApi"] = True
    parameters = {"clientInfo": CLIENT, "capabilities": capabilities}
    return State(), [{"id": INITIALIZE, "method": "initialize", "params": parameters}]


def receive(settings: Settings, state: State, message: Message) -> Step:
    """Return the state after a message of the server, and the replies.

    Unknown messages, and those of other threads or turns, change nothing.
    """
    method = message.get("method")
    if isinstance(method, str) and "id" in message:
        return state, [answer(method, _object(message.get("params")), message["id"], settings)]
    if isinstance(method, str):
        return _notified(settings, state, method, _object(message.get("params")))
    number = message.get("id")
    if type(number) is int and number in _ASKED and state.end is None:
        return _answered(settings, state, message)
    return state, []


def interrupt(state: State) -> Step:
    """Return the interruption of a turn; no messages if there is none."""
    if state.turn_id is None or state.is_interrupted or state.end is not None:
        return state, []
    parameters = {"threadId": state.thread_id, "turnId": state.turn_id}
    return dataclasses.replace(state, is_interrupted=True), [
        {"id": INTERRUPT, "method": "turn/interrupt", "params": parameters}
    ]


def answer(method: str, parameters: Message, number: JSON, settings: Settings) -> Message:
    """Return the answer to a question of the server: nobody can be asked, so mostly a refusal."""
    yes = settings.is_accepting
    result: Message
    match method:
        case "item/commandExecution/requestApproval" | "item/fileChange/requestApproval":
            result = {"decision": "accept" if yes else _refusal(parameters)}
        case "execCommandApproval" | "applyPatchApproval":
            result = {"decision": "approved" if yes else "denied"}
        case "item/permissions/requestApproval":
            result = {"permissions": {}}
        case "item/tool/requestUserInput":
            result = {"answers": {}}
        case "mcpServer/elicitation/request":
            result = {"action": "decline", "content": None}
        case "item/tool/call":
            result = {"contentItems": [], "success": False}
        case _:
            error = {"code": METHOD_NOT_FOUND, "message": f"agent-runner does not answer {method}"}
            return {"id": number, "error": error}
    return {"id": number, "result": result}


def _refusal(parameters: Message) -> str:
    """Return `decline`, which continues the turn, or `cancel`, if only that is offered."""
    offered = parameters.get("availableDecisions")
    only = isinstance(offered, list) and "decline" not in offered and "cancel" in offered
    return "cancel" if only else "decline"


def _answered(settings: Settings, state: State, message: Message) -> Step:
    number = message["id"]
    if "error" in message:
        reason = _text(message["error"], "message") or "no reason"
        return _failed(state, f"codex app-server rejected {_ASKED[number]}: {reason}"), []
    result = _object(message.get("result"))
    if number == INITIALIZE:
        return state, [{"method": "initialized"}, _thread(settings)]
    if number == THREAD:
        return _thread_started(settings, state, result)
    return dataclasses.replace(state, turn_id=_text(result, "turn", "id") or state.turn_id), []


def _thread(settings: Settings) -> Message:
    parameters = settings.thread
    if settings.thread_id is None:
        return {"id": THREAD, "method": "thread/start", "params": parameters}
    resumed = {"threadId": settings.thread_id, **parameters}
    return {"id": THREAD, "method": "thread/resume", "params": resumed}


def _thread_started(settings: Settings, state: State, result: Message) -> Step:
    thread_id = _text(result, "thread", "id")
    if thread_id is None:
        return _failed(state, "expected thread.id from codex app-server, got no text"), []
    parameters: Message = {
        "threadId": thread_id,
        "input": [{"type": "text", "text": settings.prompt}],
    }
    if settings.effort:
        parameters["effort"] = settings.effort
    started = dataclasses.replace(
        state,
        thread_id=thread_id,
        model=_text(result, "model"),
        effort=settings.effort or _text(result, "reasoningEffort"),
        cwd=_text(result, "cwd"),
    )
    return started, [{"id": TURN, "method": "turn/start", "params": parameters}]


def _notified(settings: Settings, state: State, method: str, parameters: Message) -> Step:
    if state.end is not None or not _is_ours(state, parameters):
        return state, []
    match method:
        case "turn/started":
            return dataclasses.replace(state, turn_id=_text(parameters, "turn", "id")), []
        case "turn/completed":
            return _turn_completed(state, _object(parameters.get("turn"))), []
        case "error":
            return _erred(state, parameters), []
        case "thread/tokenUsage/updated":
            return _spent(settings, state, _object(parameters.get("tokenUsage")))
        case _:
            return state, []


def _is_ours(state: State, parameters: Message) -> bool:
    """Return whether a message is of our turn: subagents have threads on the same connection."""
    turn_id = _text(parameters, "turnId") or _text(parameters, "turn", "id")
    return state.thread_id is not None and (
        _text(parameters, "threadId") in {None, state.thread_id}
        and (state.turn_id is None or turn_id in {None, state.turn_id})
    )


def _turn_completed(state: State, turn: Message) -> State:
    match turn.get("status"):
        case "completed":
            return dataclasses.replace(state, end="completed", error=None)
        case "interrupted":
            error = state.error or "the turn was interrupted"
            return dataclasses.replace(state, end="interrupted", error=error)
        case _:
            return _failed(
                state, _text(turn, "error", "message") or state.error or "the turn failed"
            )


def _erred(state: State, parameters: Message) -> State:
    """Handle an error of the turn: the server may retry, and old versions do not tell."""
    message = _text(parameters, "error", "message") or "codex app-server reported an error"
    if parameters.get("willRetry") is False:
        return _failed(state, message)
    return dataclasses.replace(state, error=message)


def _spent(settings: Settings, state: State, usage: Message) -> Step:
    total = _object(usage.get("total")).get("totalTokens")
    last = _object(usage.get("last")).get("totalTokens")
    if settings.token_budget is None or type(total) is not int:
        return state, []
    before = state.tokens_before
    if before is None:
        # A resumed thread has used tokens before: all but those of the first reported call.
        before = total - last if type(last) is int else 0
    counted = dataclasses.replace(state, tokens_before=before)
    if total - before <= settings.token_budget:
        return counted, []
    error = (
        f"expected at most {settings.token_budget} tokens (goal.tokenBudget), got {total - before}"
    )
    stopped, messages = interrupt(counted)
    return dataclasses.replace(stopped, error=error), messages


def _failed(state: State, error: str) -> State:
    return dataclasses.replace(state, end="failed", error=error)


def describe(message: Message) -> str | None:
    """Format a message for people: text, commands and changes."""
    parameters = _object(message.get("params"))
    item = _object(parameters.get("item"))
    match message.get("method"), item.get("type"):
        case "item/completed", "agentMessage":
            return _text(item, "text")
        case "item/completed", "commandExecution":
            return f"[command {item.get('status')}, exit code {item.get('exitCode')}] " + (
                _text(item, "command") or ""
            )
        case "item/completed", "fileChange":
            changes = item.get("changes")
            listed = changes if isinstance(changes, list) else []
            paths = ", ".join(_text(change, "path") or "?" for change in listed)
            return f"[file change {item.get('status')}] {paths}"
        case "error", _:
            return f"[error] {_text(parameters, 'error', 'message') or 'unknown error'}"
        case _:
            return None


def _object(value: JSON) -> Message:
    return value if isinstance(value, dict) else {}


def _text(value: JSON, *path: str) -> str | None:
    for name in path:
        value = _object(value).get(name)
    return value if isinstance(value, str) else None
