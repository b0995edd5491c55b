import pytest

from controllers import kube
from controllers.kube import errors, responses


def test_lines_come_whole_wherever_the_stream_is_cut() -> None:
    stream = b'{"a":1}\n{"b":2}\n\n{"c":3}\n'
    lines = responses.Lines(max_bytes=7)

    got = [line for byte in stream for line in lines.feed(bytes([byte]))]

    assert got == [b'{"a":1}', b'{"b":2}', b'{"c":3}']
    assert lines.is_between


def test_half_a_line_is_kept() -> None:
    lines = responses.Lines(max_bytes=10)

    got = lines.feed(b'{"a":1}\n{"b"')

    assert got == [b'{"a":1}']
    assert not lines.is_between
    assert lines.feed(b":2}\n") == [b'{"b":2}']


def test_line_over_the_bound_is_refused() -> None:
    lines = responses.Lines(max_bytes=10)
    lines.feed(b"12345")

    with pytest.raises(kube.AnswerError, match="watch events of at most 10 bytes"):
        lines.feed(b"678901")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], []),
        (['299 - "a"'], ["a"]),
        (['299 - "a", 299 - "b"', '299 - "c"'], ["a", "b", "c"]),
        ([r'299 - "unknown field \"spec.x\" in C:\\"'], ['unknown field "spec.x" in C:\\']),
        (["299 - nothing quoted"], []),
    ],
)
def test_warnings_are_unquoted(headers: list[str], expected: list[str]) -> None:
    assert expected == list(responses.warnings(headers))


def test_event_knows_where_to_resume_from() -> None:
    line = b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}'

    event = responses.event(line, "GET /x")

    assert event.type == "BOOKMARK"
    assert event.resource_version == "9"


def test_error_event_is_raised_as_its_status() -> None:
    status = b'{"kind":"Status","code":410,"reason":"Expired","message":"too old: 1 (5)"}'

    with pytest.raises(kube.GoneError) as caught:
        responses.event(b'{"type":"ERROR","object":' + status + b"}", "GET /x")

    assert str(caught.value) == "too old: 1 (5), in response to GET /x"


@pytest.mark.parametrize("line", [b"[]", b'{"type":"ADDED"}', b"<html>"])
def test_line_that_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(kube.AnswerError, match=r"(from|to) GET /x"):
        responses.event(line, "GET /x")


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (401, "Unauthorized", kube.UnauthorizedError),
        (403, "Forbidden", kube.ForbiddenError),
        (404, "NotFound", kube.NotFoundError),
        (409, "AlreadyExists", kube.AlreadyExistsError),
        (409, "Conflict", kube.ConflictError),
        (410, "Expired", kube.GoneError),
        (422, "Invalid", kube.InvalidError),
        (429, "TooManyRequests", kube.TooManyRequestsError),
        (500, "InternalError", kube.ApiError),
    ],
)
def test_status_chooses_the_error(code: int, reason: str, expected: type[kube.ApiError]) -> None:
    error = errors.from_status({"kind": "Status", "code": code, "reason": reason})

    assert expected is type(error)
    assert (code, reason) == (error.code, error.reason)


def test_error_speaks_the_api_servers_words_and_lists_causes() -> None:
    status = {
        "kind": "Status",
        "code": 422,
        "message": 'Thing "x" is invalid: spec.size: too big',
        "details": {
            "name": "x",
            "retryAfterSeconds": 3,
            "causes": [
                {"field": "spec.size", "reason": "FieldValueInvalid", "message": "too big"},
                {"message": "no field"},
            ],
        },
    }

    error = errors.from_status(status, request="PUT /x")

    assert str(error) == 'Thing "x" is invalid: spec.size: too big'
    assert (
        kube.Cause("spec.size", "FieldValueInvalid", "too big"),
        kube.Cause("", "", "no field"),
    ) == error.causes
    assert error.retry_after_seconds == 3
    assert status == error.status


def test_failure_that_is_no_status_is_quoted_up_to_a_bound() -> None:
    error = responses.failure(502, b"<html>" + b"x" * 1000, "GET /x")

    assert f"<html>{'x' * 250}, in response to GET /x" == str(error)
    assert error.code == 502


def test_failure_without_a_body_names_its_code() -> None:
    assert str(responses.failure(503, b"", "GET /x")) == "HTTP 503, in response to GET /x"
