"""GitHub's JSON as issues: deliveries of the event ``issues``, and answers of the REST API. Pure.

https://docs.github.com/webhooks/webhook-events-and-payloads#issues
"""

import datetime as dt
from typing import Annotated, Final

import msgspec

from controllers.sources.api_constants import Ending, Provider, Skip
from controllers.sources.issues import Issue, Observation, Rank
from controllers.sources.payloads import texts

EVENT_HEADER: Final = "x-github-event"
DELIVERY_HEADER: Final = "x-github-delivery"

_Time = Annotated[dt.datetime, msgspec.Meta(tz=True)]


class _Label(msgspec.Struct, gc=False):
    name: str = ""


class _PullRequest(msgspec.Struct):
    """GitHub's pull requests are issues that have this."""


class GitHubIssue(msgspec.Struct):
    """The fields that are read of an issue, in deliveries and in the REST API."""

    number: Annotated[int, msgspec.Meta(ge=1)]
    title: str
    updated_at: _Time
    html_url: str = ""
    body: str | None = None
    state: str | None = "open"
    labels: list[_Label | None] | None = None
    pull_request: _PullRequest | None = None


class _Repository(msgspec.Struct):
    full_name: str


class _Payload(msgspec.Struct):
    action: str
    issue: GitHubIssue
    repository: _Repository


_PAYLOAD: Final = msgspec.json.Decoder(_Payload)
ISSUES: Final = msgspec.json.Decoder(list[GitHubIssue])
ISSUE: Final = msgspec.json.Decoder(GitHubIssue)
_ENDINGS: Final = {"deleted": Ending.DELETED, "transferred": Ending.TRANSFERRED}


def observation(event: str, body: bytes) -> Observation | Skip:
    """Return what a delivery shows, or why it shows nothing.

    Actions that are not known, such as those of tomorrow, show the issue like any other.

    Args:
        event: The event's name.
        body: A verified body.

    Raises:
        texts.UnreadableError: It is no event of an issue, although it says so.
    """
    if event != "issues":
        return Skip.OTHER_EVENT
    payload = texts.decoded(_PAYLOAD, body)
    if payload.issue.pull_request is not None:
        return Skip.PULL_REQUEST
    ending = _ENDINGS.get(payload.action)
    return Observation(
        issue_of(payload.issue, payload.repository.full_name), Rank.DELIVERED, ending
    )


def issue_of(value: GitHubIssue, repository: str) -> Issue:
    """Return the issue.

    Args:
        value: As GitHub shows it.
        repository: owner/name.
    """
    return Issue(
        provider=Provider.GITHUB,
        external_id=f"{repository}#{value.number}",
        url=texts.url(value.html_url),
        title=value.title,
        body=value.body or "",
        labels=tuple(label.name for label in value.labels or () if label and label.name),
        updated=value.updated_at,
        is_closed=value.state == "closed",
        repository=repository,
    )
