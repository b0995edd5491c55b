"""Reads and verifies the system prompt. Pure but for `read`."""

import hashlib
from collections.abc import Mapping

from controllers.runner import errors, spec, workspace

_TRUE = frozenset({"1", "true", "yes", "on"})


def system_prompt(
    environment: Mapping[str, str], run: spec.Run, place: workspace.Workspace
) -> str | None:
    """Return the system prompt: from CODEX_SYSTEM_PROMPT_PATH, or else the run's own.

    Raises:
        PromptError: It is required (CODEX_SYSTEM_PROMPT_REQUIRED or
            CODEX_SYSTEM_PROMPT_EXPECTED_HASH) but missing or unreadable; or its SHA-256 differs.
    """
    expected = environment.get("CODEX_SYSTEM_PROMPT_EXPECTED_HASH", "").strip().lower()
    required = environment.get("CODEX_SYSTEM_PROMPT_REQUIRED", "").strip().lower() in _TRUE
    path = environment.get("CODEX_SYSTEM_PROMPT_PATH")
    is_needed = required or bool(expected)
    data = _of_file(path, place, is_needed=is_needed) if path else None
    if data is None and run.system_prompt is not None:
        data = run.system_prompt.encode()
    if data is None and is_needed:
        raise errors.PromptError(
            "expected a system prompt in CODEX_SYSTEM_PROMPT_PATH, got none, and it is required"
        )
    return None if data is None else _verified(data, expected)


def _of_file(path: str, place: workspace.Workspace, *, is_needed: bool) -> bytes | None:
    try:
        return workspace.read(place.at(path))
    except errors.InputError as error:
        if is_needed:
            raise errors.PromptError(f"the system prompt is required: {error}") from error
        return None


def _verified(data: bytes, expected: str) -> str:
    got = hashlib.sha256(data).hexdigest()
    if expected and got != expected:
        raise errors.PromptError(
            f"expected a system prompt with the SHA-256 {errors.quoted(expected)}, got {got}"
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise errors.PromptError(
            f"expected a system prompt in UTF-8, got other bytes at {error.start}"
        ) from error
