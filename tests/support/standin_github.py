"""GitHub's list of issues over HTTP, from its public contract: pages, credentials, limits."""

import dataclasses
import datetime as dt
import email.utils
from collections.abc import Callable
from typing import Any

from aiohttp import web

TOKEN = "secret-token"  # noqa: S105 - of the stand-in


@dataclasses.dataclass
class GitHub:
    """A repository ``a/b``.

    Attributes:
        now: Its clock.
        issues: By number, as the REST API shows them.
        queries: The queries so far.
        headers: Of all answers.
        refusals: Answers to the next requests instead of a page: status and headers.
        on_query: Called after each page.
    """

    now: dt.datetime
    issues: dict[int, dict[str, Any]] = dataclasses.field(default_factory=dict)
    queries: list[dict[str, str]] = dataclasses.field(default_factory=list)
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    refusals: list[tuple[int, dict[str, str]]] = dataclasses.field(default_factory=list)
    on_query: Callable[[], None] = lambda: None

    def change(self, number: int, title: str, seconds: int, **changes: Any) -> None:
        """Change an issue at a time after 2026-01-01."""
        updated = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
        self.issues[number] = {
            "number": number,
            "title": title,
            "body": "A body",
            "state": "open",
            "html_url": f"https://github.com/a/b/issues/{number}",
            "labels": [],
            "updated_at": updated.isoformat().replace("+00:00", "Z"),
        } | changes

    def app(self) -> web.Application:
        """The server."""
        app = web.Application()
        app.add_routes([web.get("/repos/a/b/issues", self._list)])
        return app

    async def _list(self, request: web.Request) -> web.Response:
        headers = {"Date": email.utils.format_datetime(self.now, usegmt=True)} | self.headers
        self.queries.append(dict(request.query))
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"message": "Bad credentials"}, status=401, headers=headers)
        if self.refusals:
            status, more = self.refusals.pop(0)
            return web.json_response({}, status=status, headers=headers | more)
        size, page = int(request.query["per_page"]), int(request.query.get("page", "1"))
        since = request.query.get("since", "")
        matching = [each for each in self.issues.values() if each["updated_at"] >= since]
        matching.sort(key=lambda each: (each["updated_at"], each["number"]))
        if len(matching) > page * size:
            following = request.url.update_query(page=page + 1)
            headers["Link"] = f'<{following}>; rel="next", <{request.url}>; rel="last"'
        shown = matching[(page - 1) * size : page * size]
        answer = web.json_response(shown, headers=headers)
        self.on_query()
        return answer
