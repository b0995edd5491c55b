"""GitHub's REST API as values: the next page, and when to ask again. Pure.

https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api and
https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api.
"""

import re
import urllib.parse
from collections.abc import Mapping
from typing import Final

# "Wait for at least one minute before retrying", for secondary limits without a time.
MIN_PAUSE_SECONDS: Final = 60.0
# Hourly limits are reset within an hour; what says otherwise is wrong.
MAX_PAUSE_SECONDS: Final = 3600.0
_LIMITED: Final = frozenset({403, 429})
_NEXT: Final = re.compile(r'<([^<>]+)>\s*;[^,]*\brel="?next"?', re.ASCII)


def next_page(link: str, origin: str) -> str | None:
    """Return the URL of the next page.

    Args:
        link: The header ``Link``.
        origin: Scheme, host and port that the credentials are for: no other page is followed.
    """
    following = _NEXT.search(link)
    if following is None:
        return None
    parts = urllib.parse.urlsplit(following[1])
    return following[1] if f"{parts.scheme}://{parts.netloc}" == origin else None


def pause_seconds(status: int, headers: Mapping[str, str], now: float) -> float:
    """Return how long nothing may be asked after an answer.

    Args:
        status: Of the answer.
        headers: By their names in lower case.
        now: Seconds since 1970.
    """
    after = _number(headers.get("retry-after"))
    reset = _number(headers.get("x-ratelimit-reset"))
    is_exhausted = headers.get("x-ratelimit-remaining") == "0"
    if status in _LIMITED and after is not None:
        seconds = after
    elif is_exhausted and reset is not None:
        seconds = reset - now
    elif status == 429:  # noqa: PLR2004 - Too Many Requests
        seconds = MIN_PAUSE_SECONDS
    else:
        return 0.0
    return min(max(seconds, 1.0), MAX_PAUSE_SECONDS)


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
