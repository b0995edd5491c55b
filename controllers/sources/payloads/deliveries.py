"""A verified request of a tracker, to what it shows or why it is refused. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Mapping

from controllers.sources.api_constants import Provider, Refusal, Skip
from controllers.sources.issues import Observation
from controllers.sources.payloads import github_issues, linear_issues, texts


def delivery_id(provider: Provider, headers: Mapping[str, str]) -> str:
    """Return the sender's identifier of a delivery; it is not signed."""
    is_github = provider is Provider.GITHUB
    header = github_issues.DELIVERY_HEADER if is_github else linear_issues.DELIVERY_HEADER
    return headers.get(header, "")


def verified(
    provider: Provider,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: dt.datetime,
    window: dt.timedelta = linear_issues.WINDOW,
) -> Observation | Skip | Refusal:
    """Read a delivery whose signature was verified.

    Args:
        provider: The sender.
        headers: By their names in lower case.
        body: As received.
        now: The time of its arrival.
        window: Tolerance between the time in Linear's deliveries and ours.

    Raises:
        texts.UnreadableError: It is not what the tracker documents.
    """
    shown = _shown(provider, headers, body, now, window)
    if not isinstance(shown, Observation):
        return shown
    return dataclasses.replace(shown, delivery=delivery_id(provider, headers))


def _shown(
    provider: Provider,
    headers: Mapping[str, str],
    body: bytes,
    now: dt.datetime,
    window: dt.timedelta,
) -> Observation | Skip | Refusal:
    if provider is Provider.LINEAR:
        return linear_issues.observation(body, now, window)
    event = headers.get(github_issues.EVENT_HEADER)
    if event is None:
        raise texts.UnreadableError(f"expected the header {github_issues.EVENT_HEADER}, got none")
    return github_issues.observation(event, body)
