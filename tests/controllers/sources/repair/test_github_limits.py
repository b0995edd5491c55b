import pytest

from controllers.sources.repair import github_limits

ORIGIN = "https://api.github.com"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("", None),
        ('<https://api.github.com/x?page=2>; rel="next"', "https://api.github.com/x?page=2"),
        (
            '<https://api.github.com/x?page=1>; rel="prev", <https://api.github.com/x>; rel="next"',
            "https://api.github.com/x",
        ),
        ('<https://api.github.com/x?page=9>; rel="last"', None),
        ('<https://evil.example/x>; rel="next"', None),
        ('<http://api.github.com/x>; rel="next"', None),
        ('<https://api.github.com.evil.example/x>; rel="next"', None),
    ],
)
def test_only_a_next_page_of_the_same_origin_is_followed(link: str, expected: str | None) -> None:
    assert expected == github_limits.next_page(link, ORIGIN)


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (200, {}, 0.0),
        (200, {"x-ratelimit-remaining": "1", "x-ratelimit-reset": "1100"}, 0.0),
        (200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1100"}, 100.0),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1100"}, 100.0),
        (403, {"retry-after": "30", "x-ratelimit-remaining": "0"}, 30.0),
        (429, {}, 60.0),
        (429, {"retry-after": "soon"}, 60.0),
        (403, {}, 0.0),
        (403, {"retry-after": "999999999"}, 3600.0),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "900"}, 1.0),
    ],
)
def test_limits_are_waited_for(status: int, headers: dict[str, str], expected: float) -> None:
    assert expected == github_limits.pause_seconds(status, headers, 1000.0)
