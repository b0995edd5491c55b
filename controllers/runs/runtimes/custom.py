"""The runtime ``Custom``: an HTTP endpoint that executes runs. Shell: HTTP, by ``egress``.

The contract with an endpoint is in docs/runtimes.md. Its response to the submission identifies the
work, so it is kept in ``Ref.extra``: id, statusUrl, cancelUrl; or the outcome, if the endpoint
returns that at once.
"""

import collections
import dataclasses
import datetime as dt
import http
import ssl
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
import yarl

from controllers.kube import clocks
from controllers.runs import json_access
from controllers.runs.api_constants import Reason
from controllers.runs.runtimes import egress, outcomes, reports
from controllers.runs.runtimes.base import (
    JSON,
    Code,
    Key,
    Progress,
    Ref,
    Runtime,
    RuntimeFault,
    Stage,
    Work,
)

FIRST_POLL_SECONDS: Final = 1.0
MAX_POLL_SECONDS: Final = 30.0
MAX_ANSWER_BYTES: Final = 4096
_MAX_ID: Final = 256
_MAX_URL: Final = 2048
_MAX_MESSAGE: Final = 640
_MAX_REMEMBERED: Final = 10_000
_STAGES: Final = {
    stage.value.lower(): stage
    for stage in (
        *(Stage.PENDING, Stage.RUNNING, Stage.CANCELLING),
        *(Stage.SUCCEEDED, Stage.FAILED, Stage.CANCELLED),
    )
}
_GONE: Final = frozenset({http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE})
# Responses to the cancellation of work that has ended.
_TOO_LATE: Final = _GONE | {http.HTTPStatus.CONFLICT}
# Responses of endpoints without cancellation.
_CANNOT: Final = frozenset({http.HTTPStatus.METHOD_NOT_ALLOWED, http.HTTPStatus.NOT_IMPLEMENTED})


class Custom(Runtime):
    """Executes runs by an HTTP endpoint.

    Args:
        allowed: Non-public addresses, CIDRs and host names that endpoints may have.
        deadline_seconds: For each call of an endpoint.
        tls: Trust configuration; None for the system's CAs.
        now: The wall clock.
    """

    type = "Custom"
    is_collected = False
    is_external = True

    def __init__(
        self,
        *,
        allowed: Sequence[str] = (),
        deadline_seconds: float = 30.0,
        tls: ssl.SSLContext | None = None,
        now: Callable[[], dt.datetime] = clocks.utc_now,
    ) -> None:
        self._caller = egress.Caller(
            egress.Allowed.of(allowed), deadline_seconds=deadline_seconds, tls=tls, now=now
        )
        self._cancelled: collections.OrderedDict[Key, None] = collections.OrderedDict()

    async def close(self) -> None:
        """Close all connections."""
        await self._caller.close()

    def ref(self, key: Key, work: Work) -> Ref:
        """Return the run's own name and namespace: the endpoint's are not known in advance."""
        return Ref(type=self.type, key=key, work=work, name=work.run, namespace=work.namespace)

    async def submit(self, key: Key, work: Work) -> Ref:
        """POST the run; the endpoint returns the same response for the same Idempotency-Key."""
        ref = self.ref(key, work)
        if key in self._cancelled:
            return dataclasses.replace(ref, extra={"cancelled": True})
        endpoint = _endpoint(work)
        answer = await self._caller.call("POST", endpoint, key=key, body=_body(work))
        if not answer.is_success:
            raise answer.fault()
        submitted = dataclasses.replace(ref, extra=_remembered(answer, endpoint))
        if key in self._cancelled:
            # Cancelled during the call.
            await self.cancel(submitted)
        return submitted

    async def status(self, ref: Ref) -> Progress:
        """GET the status, or return the outcome in the response to the submission."""
        extra = ref.extra
        is_cancelled = ref.key in self._cancelled or bool(extra.get("cancelled"))
        if "outcome" in extra:
            return _progress(extra["outcome"])
        if "statusUrl" not in extra:
            return _nothing(is_cancelled=is_cancelled)
        answer = await self._caller.call("GET", egress.parse(extra["statusUrl"]), key=ref.key)
        if answer.status in _GONE:
            return _nothing(is_cancelled=is_cancelled)
        if not answer.is_success:
            raise answer.fault()
        return _seen(ref, answer, is_cancelled=is_cancelled)

    async def cancel(self, ref: Ref) -> None:
        """POST to cancelUrl, or DELETE the status; without either, DELETE at the endpoint."""
        if "outcome" in ref.extra:
            return
        if "statusUrl" not in ref.extra:
            self._remember(ref.key)
            # Without the spec, the work's endpoint is unknown.
            if _config(ref.work):
                await self._end("DELETE", _endpoint(ref.work), ref.key)
            return
        if (await self.status(ref)).stage.is_ended:
            return
        self._remember(ref.key)
        if "cancelUrl" in ref.extra:
            await self._end("POST", egress.parse(ref.extra["cancelUrl"]), ref.key)
        else:
            await self._end("DELETE", egress.parse(ref.extra["statusUrl"]), ref.key)

    async def _end(self, method: str, url: yarl.URL, key: Key) -> None:
        """Request cancellation; endpoints without cancellation are polled until the end."""
        answer = await self._caller.call(method, url, key=key)
        if not answer.is_success and answer.status not in _TOO_LATE | _CANNOT:
            raise answer.fault()

    def _remember(self, key: Key) -> None:
        """Remember a key whose late submissions this process rejects; others query the endpoint."""
        self._cancelled[key] = None
        if len(self._cancelled) > _MAX_REMEMBERED:
            self._cancelled.popitem(last=False)


# ---------------------------------------------------------------------------------------- pure


def _endpoint(work: Work) -> yarl.URL:
    return egress.parse(str(_config(work).get("endpoint") or ""))


def _config(work: Work) -> Mapping[str, JSON]:
    return (work.spec.get("runtime") or {}).get("custom") or {}


def _nothing(*, is_cancelled: bool) -> Progress:
    """Return the progress of work that does not exist."""
    if not is_cancelled:
        return Progress(stage=Stage.MISSING)
    return Progress(
        stage=Stage.CANCELLED,
        reason=Reason.JOB_MISSING,
        message="The endpoint does not know the run.",
        code=Code.RETRYABLE,
    )


def _body(work: Work) -> JSON:
    """Return the user's payload, or upstream's default."""
    payload = _config(work).get("payload")
    if payload is not None:
        return payload
    names = ("agentRun", "implementation", "memory", "systemPrompt")
    return {name: work.run_json[name] for name in names if work.run_json.get(name) is not None}


def _remembered(answer: egress.Answer, endpoint: yarl.URL) -> dict[str, JSON]:
    """Return the part of a submission's response to keep.

    Raises:
        RuntimeFault: The work cannot be tracked.
    """
    decoded = answer.decoded()
    fields = decoded if isinstance(decoded, dict) else {}
    given = fields.get("id")
    if given is None:
        return {"outcome": _outcome(fields, answer)}
    name = str(given) if type(given) in {str, int} else ""
    if not name or len(name) > _MAX_ID or not name.strip("."):
        raise RuntimeFault(
            Code.TERMINAL,
            f"expected an id of 1..{_MAX_ID} characters from {answer.origin}, got another value",
        )
    # Keep the endpoint's query: it may contain credentials.
    default = endpoint.joinpath(urllib.parse.quote(name, safe=""), encoded=True)
    extra: dict[str, JSON] = {
        "id": name,
        "statusUrl": str(default.with_query(endpoint.query)),
    }
    for field in ("statusUrl", "cancelUrl"):
        url = fields.get(field)
        if url is not None:
            extra[field] = str(egress.parse(_url(url, answer), endpoint))
    return extra


def _url(given: JSON, answer: egress.Answer) -> str:
    if not isinstance(given, str) or len(given) > _MAX_URL:
        raise RuntimeFault(
            Code.TERMINAL,
            f"expected URLs of at most {_MAX_URL} characters from {answer.origin}, got others",
        )
    return given


def _outcome(result: Mapping[str, JSON], answer: egress.Answer) -> dict[str, JSON]:
    """Return the outcome of work without an ID: the response itself.

    Raises:
        RuntimeFault: The response says that the work continues.
    """
    stage = _stage(result)
    if answer.status == http.HTTPStatus.ACCEPTED or (stage is not None and not stage.is_ended):
        raise RuntimeFault(
            Code.TERMINAL,
            f"expected an id from {answer.origin}, whose response says that the work continues, "
            "got none: its status cannot be polled",
        )
    extra = {name: result[name] for name in ("message", "artifacts", "error") if name in result}
    kept = {name: value for name, value in extra.items() if json_access.is_plain(value)}
    ended = stage or outcomes.stage(Stage.SUCCEEDED, reports.runner(result) or {})
    outcome = {**kept, "phase": ended}
    if len(msgspec.json.encode(outcome)) > MAX_ANSWER_BYTES:
        outcome = {"phase": outcome["phase"]}
    said = answer.body[:MAX_ANSWER_BYTES].decode(errors="replace")
    return {**outcome, "answer": said} if said else outcome


def _stage(result: Mapping[str, JSON]) -> Stage | None:
    """Return the stage in a response; for an end, including the runner's report."""
    said = result.get("phase") or result.get("status")
    stage = _STAGES.get(said.lower()) if isinstance(said, str) else None
    if stage is None or not stage.is_ended:
        return stage
    return outcomes.stage(stage, reports.runner(result) or {})


def _seen(ref: Ref, answer: egress.Answer, *, is_cancelled: bool) -> Progress:
    """Return the progress from a response, and when to poll again.

    Raises:
        RuntimeFault: The response has no stage.
    """
    decoded = answer.decoded()
    if not isinstance(decoded, dict) or _stage(decoded) is None:
        raise RuntimeFault(
            Code.RETRYABLE,
            f"expected one of {', '.join(_STAGES.values())} in phase or status from "
            f"{answer.origin}, got another value",
        )
    progress = _progress(decoded)
    extra = {**ref.extra, "cancelled": True} if is_cancelled else dict(ref.extra)
    if not progress.stage.is_ended:
        before = extra.get("pollSeconds", FIRST_POLL_SECONDS / 2)
        extra["pollSeconds"] = min(before * 2, MAX_POLL_SECONDS)
        delay = answer.retry_after_seconds
        wait = extra["pollSeconds"] if delay is None else delay
        stage = Stage.CANCELLING if is_cancelled else progress.stage
        progress = dataclasses.replace(progress, stage=stage, requeue_after_seconds=wait)
    return dataclasses.replace(progress, ref=dataclasses.replace(ref, extra=extra))


def _progress(result: Mapping[str, JSON]) -> Progress:
    stage = _stage(result) or Stage.SUCCEEDED
    error = result.get("error")
    error = error if isinstance(error, dict) else {"message": error}
    said = error.get("message") or result.get("message")
    is_failure = stage is Stage.FAILED
    files = reports.files({"artifacts": {"outputArtifacts": result.get("artifacts")}})
    return Progress(
        stage=stage,
        reason=_reason(error) if is_failure else "",
        message=egress.text(said, _MAX_MESSAGE) if isinstance(said, str) else "",
        code=_code(error) if is_failure else None,
        artifacts=files.artifacts,
        artifacts_omitted=files.omitted,
    )


def _code(error: Mapping[str, JSON]) -> Code:
    """Return a known code; otherwise another attempt may succeed."""
    said = str(error.get("code") or "").lower()
    return next((code for code in Code if code.value.lower() == said), Code.RETRYABLE)


def _reason(error: Mapping[str, JSON]) -> str:
    """Return the endpoint's failure code, if it is a valid condition reason."""
    said = error.get("code")
    is_word = isinstance(said, str) and said.isascii() and said.isalnum() and said[0].isalpha()
    return said[:64] if is_word and isinstance(said, str) and said else "EndpointFailed"
