"""Reads the issues of a repository from GitHub's REST API. Shell: HTTP.

Requests are made one after the other, as GitHub asks, and none with a token whose limit is used up.
Redirects are not followed: they would carry the token elsewhere, and a repository that moved is
another one.
"""

import asyncio
import datetime as dt
import email.utils
import time
import urllib.parse
from collections.abc import AsyncGenerator, Callable
from typing import Final

import aiohttp

from controllers.sources.issues import Issue
from controllers.sources.payloads import github_issues, texts
from controllers.sources.repair import github_limits

PUBLIC_API: Final = "https://api.github.com"
CALL_SECONDS: Final = 30.0
# A page of 100 issues with the largest bodies, in JSON.
MAX_PAGE_BYTES: Final = 100 * 1024 * 1024
_GONE: Final = frozenset({301, 302, 307, 308, 404, 410})


class ReadError(Exception):
    """Issues could not be read; its message contains no credentials."""


class LimitedError(ReadError):
    """GitHub's limit for the token is used up.

    Attributes:
        seconds: So long it is.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"GitHub's rate limit is used up for {seconds:.0f} s")
        self.seconds = seconds


class GitHubReader:
    """Reads issues.

    Args:
        session: Its owner closes it.
        api: Base URL.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api: str = PUBLIC_API,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._session, self._api, self._now = session, api.rstrip("/"), now
        # When a token may be used again, in seconds since 1970.
        self._limited_until: dict[str, float] = {}
        parts = urllib.parse.urlsplit(self._api)
        self._origin = f"{parts.scheme}://{parts.netloc}"

    async def pages(
        self, repository: str, token: str, since: dt.datetime | None
    ) -> AsyncGenerator[tuple[dt.datetime, list[Issue]], None]:
        """Yield pages of issues, those that were changed longest ago first.

        Args:
            repository: owner/name.
            token: Credentials.
            since: Only issues that were changed at this time or later; None for all.

        Yields:
            GitHub's time of the answer, and the issues; pull requests are left out.

        Raises:
            ReadError: A page could not be read.
            LimitedError: The limit is used up, maybe after some pages.
        """
        url = self._first_page(repository, since)
        while True:
            time_, link, body = await self._get(url, token)
            try:
                values = texts.decoded(github_issues.ISSUES, body)
            except texts.UnreadableError as error:
                raise ReadError(f"expected a list of issues from GitHub: {error}") from error
            issues = [value for value in values if value.pull_request is None]
            yield time_, [github_issues.issue_of(value, repository) for value in issues]
            following = github_limits.next_page(link, self._origin)
            if following is None:
                return
            newest = max((value.updated_at for value in values), default=None)
            if newest is None or (since is not None and newest <= since):
                url = following
            else:
                # An issue that changes now moves to the end, and others to earlier pages: the next
                # page by its number would miss one of them.
                since = newest
                url = self._first_page(repository, since)

    def _first_page(self, repository: str, since: dt.datetime | None) -> str:
        query = {"state": "all", "sort": "updated", "direction": "asc", "per_page": "100"}
        if since is not None:
            query["since"] = since.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        path = urllib.parse.quote(repository, safe="/")
        return f"{self._api}/repos/{path}/issues?{urllib.parse.urlencode(query)}"

    async def _get(self, url: str, token: str) -> tuple[dt.datetime, str, bytes]:
        """Get a page, if the limits allow it."""
        self._check_limit(token)
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        try:
            async with (
                asyncio.timeout(CALL_SECONDS),
                self._session.get(url, headers=headers, allow_redirects=False) as answer,
            ):
                body = await _bounded(answer.content)
                given = {name.lower(): value for name, value in answer.headers.items()}
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ReadError(f"GitHub is unreachable: {type(error).__name__}") from error
        pause = github_limits.pause_seconds(status, given, self._now())
        if pause:
            self._limited_until[token] = self._now() + pause
        if status == 200:  # noqa: PLR2004 - OK
            return _time(given.get("date")), given.get("link", ""), body
        self._check_limit(token)
        raise ReadError(_problem(status))

    def _check_limit(self, token: str) -> None:
        now = self._now()
        self._limited_until = {
            one: until for one, until in self._limited_until.items() if until > now
        }
        if token in self._limited_until:
            raise LimitedError(self._limited_until[token] - now)


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in content.iter_any():
        size += len(part)
        if size > MAX_PAGE_BYTES:
            raise ReadError(f"expected a page of at most {MAX_PAGE_BYTES} bytes from GitHub")
        parts.append(part)
    return b"".join(parts)


def _time(date: str | None) -> dt.datetime:
    """Return the time of an answer: that of GitHub's clock, which also stamps the issues."""
    try:
        return email.utils.parsedate_to_datetime(date or "").astimezone(dt.UTC)
    except ValueError as error:
        raise ReadError("expected the header Date from GitHub") from error


def _problem(status: int) -> str:
    if status == 401:  # noqa: PLR2004 - Unauthorized
        return "GitHub does not accept the credentials (401): check spec.credentials"
    if status in _GONE:
        return (
            f"expected the repository of spec.github.repository, got status {status}: it was "
            "renamed or deleted, or the credentials do not allow to read its issues"
        )
    return f"expected status 200 from GitHub, got {status}"
