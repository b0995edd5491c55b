from typing import Any

import pytest

from controllers.runner.adapters import codex_protocol as protocol

SETTINGS = protocol.Settings(prompt="do it", thread={"cwd": "/w"})
ACCEPTING = protocol.Settings(prompt="do it", is_accepting=True)
TURN = protocol.State(thread_id="thr", turn_id="trn")


def told(method: str, **parameters: Any) -> protocol.Message:
    return {"method": method, "params": {"threadId": "thr", "turnId": "trn", **parameters}}


def completed(status: str, **fields: Any) -> protocol.Message:
    return {
        "method": "turn/completed",
        "params": {"threadId": "thr", "turn": {"id": "trn", "status": status, **fields}},
    }


def after(*messages: protocol.Message, state: protocol.State = TURN) -> protocol.State:
    for message in messages:
        state, _ = protocol.receive(SETTINGS, state, message)
    return state


def test_conversation_from_the_beginning() -> None:
    settings = protocol.Settings(prompt="do it", thread={"cwd": "/w"}, effort="high")

    state, hello = protocol.begin(settings)
    state, start = protocol.receive(settings, state, {"id": 1, "result": {"userAgent": "x"}})
    thread = {"thread": {"id": "thr"}, "model": "m", "reasoningEffort": "low", "cwd": "/w"}
    state, turn = protocol.receive(settings, state, {"id": 2, "result": thread})
    state, nothing = protocol.receive(settings, state, {"id": 3, "result": {"turn": {"id": "trn"}}})

    assert [("initialize", 1)] == [(message["method"], message["id"]) for message in hello]
    assert "experimentalApi" not in hello[0]["params"]["capabilities"]
    assert [
        {"method": "initialized"},
        {"id": 2, "method": "thread/start", "params": {"cwd": "/w"}},
    ] == start
    assert [
        {
            "id": 3,
            "method": "turn/start",
            "params": {
                "threadId": "thr",
                "input": [{"type": "text", "text": "do it"}],
                "effort": "high",
            },
        }
    ] == turn
    assert [] == nothing
    assert (
        protocol.State(thread_id="thr", turn_id="trn", model="m", effort="high", cwd="/w") == state
    )


def test_thread_may_be_an_old_one() -> None:
    settings = protocol.Settings(prompt="go on", thread={"model": "m"}, thread_id="old")

    _, said = protocol.receive(settings, protocol.State(), {"id": 1, "result": {}})

    assert {"id": 2, "method": "thread/resume", "params": {"threadId": "old", "model": "m"}} == (
        said[1]
    )


def test_experimental_parameters_are_announced() -> None:
    settings = protocol.Settings(prompt="p", is_experimental=True)

    _, said = protocol.begin(settings)

    assert said[0]["params"]["capabilities"]["experimentalApi"] is True


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (
            {"id": 1, "error": {"code": -1, "message": "too old"}},
            "codex app-server rejected initialize: too old",
        ),
        ({"id": 2, "error": {}}, "codex app-server rejected the thread's start: no reason"),
        ({"id": 2, "result": {}}, "expected thread.id from codex app-server, got no text"),
        ({"id": 3, "error": "x"}, "codex app-server rejected turn/start: no reason"),
    ],
)
def test_refusal_is_the_end(message: protocol.Message, error: str) -> None:
    state = after(message, state=protocol.State())

    assert ("failed", error) == (state.end, state.error)


@pytest.mark.parametrize(
    ("message", "end", "error"),
    [
        (completed("completed"), "completed", None),
        (completed("interrupted"), "interrupted", "the turn was interrupted"),
        (completed("failed", error={"message": "no capacity"}), "failed", "no capacity"),
        (completed("failed", error=None), "failed", "the turn failed"),
        (completed("exploded"), "failed", "the turn failed"),
        (told("error", error={"message": "e"}, willRetry=False), "failed", "e"),
        (told("error", error={"message": "e"}, willRetry=True), None, "e"),
        (told("error", error={"message": "e"}), None, "e"),
        (
            {"method": "turn/completed", "params": {"turn": {"status": "completed"}}},
            "completed",
            None,
        ),
    ],
)
def test_end_of_the_turn(message: protocol.Message, end: str | None, error: str | None) -> None:
    state = after(message)

    assert (end, error) == (state.end, state.error)


def test_error_after_which_the_server_goes_on_is_forgotten() -> None:
    state = after(
        told("error", error={"message": "Reconnecting"}, willRetry=True), completed("completed")
    )

    assert ("completed", None) == (state.end, state.error)


def test_error_before_the_end_says_why() -> None:
    state = after(told("error", error={"message": "no quota"}), completed("failed", error=None))

    assert ("failed", "no quota") == (state.end, state.error)


@pytest.mark.parametrize(
    "message",
    [
        {"method": "turn/completed", "params": {"threadId": "x", "turn": {"id": "trn"}}},
        {"method": "turn/completed", "params": {"threadId": "thr", "turn": {"id": "x"}}},
        {"method": "error", "params": {"threadId": "x", "error": {"message": "e"}}},
        {"method": "turn/started", "params": {"threadId": "x", "turn": {"id": "y"}}},
        {"method": "item/completed", "params": {"threadId": "thr", "item": {}}},
        {"method": 1},
        {"method": "turn/diff/updated", "params": []},
        {"id": 17, "result": {}},
        {"id": 4, "result": {}},
        {"id": [], "result": {}},
        {},
    ],
)
def test_message_about_something_else_changes_nothing(message: protocol.Message) -> None:
    assert TURN == after(message)


def test_nothing_changes_after_the_end() -> None:
    ended = after(completed("completed"))

    assert ended == after(completed("failed"), {"id": 3, "error": {}}, state=ended)


def test_turn_may_start_before_the_answer_says_so() -> None:
    state = after(
        {"method": "turn/started", "params": {"threadId": "thr", "turn": {"id": "trn"}}},
        state=protocol.State(thread_id="thr"),
    )

    assert "trn" == state.turn_id
    assert state == after({"id": 3, "result": {}}, state=state)


def test_turn_is_interrupted_once() -> None:
    state, said = protocol.interrupt(TURN)

    assert [
        {"id": 4, "method": "turn/interrupt", "params": {"threadId": "thr", "turnId": "trn"}}
    ] == said
    assert (state, []) == protocol.interrupt(state)
    assert (protocol.State(), []) == protocol.interrupt(protocol.State())


@pytest.mark.parametrize(
    ("method", "no", "yes"),
    [
        ("item/commandExecution/requestApproval", {"decision": "decline"}, {"decision": "accept"}),
        ("item/fileChange/requestApproval", {"decision": "decline"}, {"decision": "accept"}),
        ("execCommandApproval", {"decision": "denied"}, {"decision": "approved"}),
        ("applyPatchApproval", {"decision": "denied"}, {"decision": "approved"}),
        ("item/permissions/requestApproval", {"permissions": {}}, {"permissions": {}}),
        ("item/tool/requestUserInput", {"answers": {}}, {"answers": {}}),
        *[
            ("mcpServer/elicitation/request", {"action": "decline", "content": None}, answer)
            for answer in [{"action": "decline", "content": None}]
        ],
        *[
            ("item/tool/call", {"contentItems": [], "success": False}, answer)
            for answer in [{"contentItems": [], "success": False}]
        ],
    ],
)
def test_question_is_answered_with_no_unless_everything_is_allowed(
    method: str, no: protocol.Message, yes: protocol.Message
) -> None:
    question = {"id": "q", **told(method)}

    assert (TURN, [{"id": "q", "result": no}]) == protocol.receive(SETTINGS, TURN, question)
    assert (TURN, [{"id": "q", "result": yes}]) == protocol.receive(ACCEPTING, TURN, question)


def test_cancel_is_said_where_nothing_else_is_a_no() -> None:
    question = {
        "id": 0,
        **told("item/commandExecution/requestApproval", availableDecisions=["accept", "cancel"]),
    }

    _, said = protocol.receive(SETTINGS, TURN, question)

    assert [{"id": 0, "result": {"decision": "cancel"}}] == said


def test_question_of_an_unknown_kind_is_answered_with_an_error() -> None:
    _, said = protocol.receive(ACCEPTING, TURN, {"id": 5, "method": "account/x"})

    assert (5, -32601) == (said[0]["id"], said[0]["error"]["code"])


def spent(total: int, last: int) -> protocol.Message:
    usage = {"total": {"totalTokens": total}, "last": {"totalTokens": last}}
    return told("thread/tokenUsage/updated", tokenUsage=usage)


def test_tokens_of_an_earlier_turn_do_not_count() -> None:
    settings = protocol.Settings(prompt="p", token_budget=100)

    state, said = protocol.receive(settings, TURN, spent(1040, 40))
    state, more = protocol.receive(settings, state, spent(1100, 60))
    assert ([], [], None) == (said, more, state.error)
    state, said = protocol.receive(settings, state, spent(1101, 1))

    assert "expected at most 100 tokens (goal.tokenBudget), got 101" == state.error
    assert ["turn/interrupt"] == [message["method"] for message in said]
    assert state.error == after(completed("interrupted"), state=state).error


def test_tokens_without_a_budget_are_not_counted() -> None:
    assert (TURN, []) == protocol.receive(SETTINGS, TURN, spent(10**9, 1))


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"type": "agentMessage", "text": "Done."}, "Done."),
        (
            {"type": "commandExecution", "command": "ls", "status": "completed", "exitCode": 0},
            "[command completed, exit code 0] ls",
        ),
        (
            {
                "type": "fileChange",
                "status": "completed",
                "changes": [{"path": "a"}, {"path": "b"}],
            },
            "[file change completed] a, b",
        ),
        ({"type": "fileChange", "changes": 1}, "[file change None] "),
        ({"type": "reasoning", "text": "hm"}, None),
        ({}, None),
    ],
)
def test_person_who_reads_along_is_told(item: protocol.Message, expected: str | None) -> None:
    assert expected == protocol.describe(told("item/completed", item=item))
