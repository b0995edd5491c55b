"""Patterns of images mean images, however those are spelt."""

import pytest

from crds.admission import names_policy, settings
from crds.admission.pods import image_references

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("library/nginx", "docker.io/library/nginx:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx:1", "docker.io/library/nginx:1"),
        ("registry-1.docker.io/team/app:1", "docker.io/team/app:1"),
        ("team/app", "docker.io/team/app:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("Registry.Example.COM/app:V1", "registry.example.com/app:V1"),
        ("registry.example.com:443/app:1", "registry.example.com/app:1"),
        ("registry.example.com:5000/app", "registry.example.com:5000/app:latest"),
        ("[::1]:5000/app", "[::1]:5000/app:latest"),
        ("a__b/c--d/e.f_g:1", "docker.io/a__b/c--d/e.f_g:1"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        (f"registry.example.com/app:1@{DIGEST}", f"registry.example.com/app@{DIGEST}"),
        ("docker.io/registry.example.com/app", "docker.io/registry.example.com/app:latest"),
    ],
)
def test_reference_has_one_spelling(text: str, whole: str) -> None:
    assert whole == str(image_references.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " nginx",
        "nginx ",
        "nginx\n",
        "NGINX",
        "registry.example.com/../evil/app",
        "registry.example.com//app",
        "registry.example.com/./app",
        "registry.example.com/app/",
        "registry.example.com./app",
        "registry.example.com/app:",
        "registry.example.com/app:a:b",
        "registry.example.com/app@sha256:short",
        "registry.example.com/app@",
        "https://registry.example.com/app",
        "user@registry.example.com/app",
        "registry.example.com/a%2e%2e/app",
        "registry.example.com/\N{CYRILLIC SMALL LETTER A}pp",
        "0123456789abcdef" * 4,
        "a/" * 128 + "b",
    ],
)
def test_what_no_runtime_takes_is_no_reference(text: str) -> None:
    assert image_references.parse(text) is None
    assert names_policy.refusal("images", text, policy(allowed=("*",))).startswith(
        "expected an image reference, got "
    )


def policy(**rules: tuple[str, ...]) -> settings.Policy:
    return settings.Policy(images=settings.Names(**rules))


@pytest.mark.parametrize(
    ("pattern", "image", "is_denied"),
    [
        ("*:latest", "nginx", True),
        ("*:latest", "registry.example.com/app", True),
        ("*:latest", f"registry.example.com/app@{DIGEST}", False),
        ("docker.io/*", "nginx", True),
        ("docker.io/*", "index.docker.io/team/app:1", True),
        ("docker.io/nginx*", "library/nginx:1", True),
        ("nginx*", "docker.io/library/nginx:1", True),
        ("library/*", "nginx:1", True),
        ("Registry.Example.com/*", "registry.example.com/app:1", True),
        ("registry.example.com/*", "REGISTRY.example.com/app:1", True),
        ("registry.example.com:443/*", "registry.example.com/app:1", True),
        ("registry.example.com/*", "registry.example.com:443/app:1", True),
        ("registry.example.com/*", "registry.example.com:5000/app:1", False),
        ("registry.example.com/app:1*", f"registry.example.com/app:1@{DIGEST}", True),
        ("registry.example.com/*", "docker.io/registry.example.com/app:1", False),
    ],
)
def test_denied_pattern_means_every_spelling(pattern: str, image: str, *, is_denied: bool) -> None:
    assert is_denied is bool(names_policy.refusal("images", image, policy(denied=(pattern,))))


@pytest.mark.parametrize(
    ("pattern", "image", "is_allowed"),
    [
        ("nginx:*", "docker.io/library/nginx:1", True),
        ("docker.io/library/*", "nginx:1", True),
        ("registry.example.com/*", "registry.example.com:443/app:1", True),
        ("registry.example.com/*", "registry.example.com/app:1", True),
        ("registry.example.com/*", "docker.io/registry.example.com/app:1", False),
        ("registry.example.com/*", "registry.example.com.evil.example/app:1", False),
        # A digest overrides the tag, so a tag cannot disguise another image.
        ("registry.example.com/app:1", f"registry.example.com/app:1@{DIGEST}", False),
        ("registry.example.com/app@*", f"registry.example.com/app:1@{DIGEST}", True),
    ],
)
def test_allowed_pattern_means_no_other_image(
    pattern: str, image: str, *, is_allowed: bool
) -> None:
    assert is_allowed is not bool(names_policy.refusal("images", image, policy(allowed=(pattern,))))


def test_refusal_shows_what_a_short_name_means() -> None:
    said = names_policy.refusal("images", "nginx", policy(denied=("*:latest",)))

    assert (
        "expected an image that is allowed, got 'nginx', that is 'docker.io/library/nginx:latest', "
        "which '*:latest' denies"
    ) == said
