"""Linear's JSON as issues: deliveries of the type ``Issue``, and nodes of its GraphQL API. Pure.

https://linear.app/developers/webhooks. The time of a delivery is taken from the signed body only:
the header ``Linear-Timestamp`` is not signed.
"""

import datetime as dt
from typing import Annotated, Final

import msgspec

from controllers.sources.api_constants import Ending, Provider, Refusal, Skip
from controllers.sources.issues import Issue, Observation, Rank
from controllers.sources.payloads import texts

DELIVERY_HEADER: Final = "linear-delivery"
WINDOW: Final = dt.timedelta(seconds=60)
"""Tolerance between a delivery's time and ours: that of Linear's own SDK."""

_Time = Annotated[dt.datetime, msgspec.Meta(tz=True)]


class _Named(msgspec.Struct):
    name: str = ""


class _Team(msgspec.Struct):
    key: str = ""


class _State(msgspec.Struct):
    type: str = ""


class LinearIssue(msgspec.Struct, rename="camel"):
    """The fields that are read of an issue, in deliveries and in the GraphQL API."""

    title: str
    updated_at: _Time
    number: int = 0
    identifier: str = ""
    description: str | None = None
    url: str = ""
    team: _Team | None = None
    project: _Named | None = None
    state: _State | None = None
    labels: list[_Named] | None = None
    archived_at: str | None = None
    trashed: bool | None = None


class _Payload(msgspec.Struct, rename="camel"):
    action: str
    data: LinearIssue
    url: str = ""


class _Envelope(msgspec.Struct, rename="camel"):
    type: str
    webhook_timestamp: int | float | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_PAYLOAD: Final = msgspec.json.Decoder(_Payload)
_CLOSED: Final = frozenset({"completed", "canceled", "duplicate"})


def observation(
    body: bytes, now: dt.datetime, window: dt.timedelta
) -> Observation | Skip | Refusal:
    """Return what a delivery shows, or why it shows nothing or is refused.

    Args:
        body: A verified body.
        now: The time of its arrival.
        window: Tolerance between its time and ours.

    Raises:
        texts.UnreadableError: It is no delivery of Linear.
    """
    envelope = texts.decoded(_ENVELOPE, body)
    if envelope.webhook_timestamp is None:
        return Refusal.MISSING_TIMESTAMP
    if abs(now.timestamp() - envelope.webhook_timestamp / 1000) > window.total_seconds():
        return Refusal.STALE_TIMESTAMP
    if envelope.type != "Issue":
        return Skip.OTHER_EVENT
    payload = texts.decoded(_PAYLOAD, body)
    is_removed = payload.action == "remove" or payload.data.trashed is True
    ending = Ending.DELETED if is_removed else None
    return Observation(issue_of(payload.data, payload.url), Rank.DELIVERED, ending)


def issue_of(value: LinearIssue, url: str = "") -> Issue:
    """Return the issue.

    Args:
        value: As Linear shows it.
        url: Where people read it, if it does not say so itself.

    Raises:
        texts.UnreadableError: It has no identifier.
    """
    team = value.team.key if value.team else ""
    # Payloads of 2021 have no identifier, but what it consists of.
    identifier = value.identifier or (f"{team}-{value.number}" if team and value.number else "")
    if not identifier:
        raise texts.UnreadableError("expected an issue with an identifier, got none at data")
    return Issue(
        provider=Provider.LINEAR,
        external_id=identifier,
        url=texts.url(value.url or url),
        title=value.title,
        body=value.description or "",
        labels=tuple(label.name for label in value.labels or () if label.name),
        updated=value.updated_at,
        is_closed=value.archived_at is not None or (value.state or _State()).type in _CLOSED,
        team=team or identifier.rpartition("-")[0],
        project=value.project.name if value.project else "",
    )
