"""The operator's settings file, reloaded on change. Shell: a file and a clock.

Webhook workers reload theirs the same way and apply the same rules, so both agree within a second
of a change.
"""

import asyncio
import logging
import pathlib
from typing import Final

import msgspec

import crds
from certs.directory import files
from crds.admission import settings
from crds.admission.settings import Settings
from webhooks.server import worker

PERIOD_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)


class SettingsFile:
    """The settings from the last successful read of the file.

    Args:
        path: None for no file: the settings are the defaults.
        image: Runner image from the command line; overrides the file's.

    Raises:
        SettingsError: The file is invalid.
    """

    def __init__(self, path: pathlib.Path | None, image: str = "") -> None:
        self._path, self._image = path, image
        self._seen = files.stamp(path) if path else None
        self._current = self._read()
        self.failures = 0
        """Number of failed reloads."""

    def current(self) -> Settings:
        """Return the current settings."""
        return self._current

    async def follow(self) -> None:
        """Reload changes until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            self.reload_changed()

    def reload_changed(self) -> None:
        """Reload the file if it has changed; an invalid file is ignored."""
        stamp = files.stamp(self._path) if self._path else None
        if stamp == self._seen:
            return
        self._seen = stamp
        try:
            self._current = self._read()
        except worker.SettingsError as error:
            self.failures += 1
            _log.error("reload failed, keeping the previous settings", extra={"reason": str(error)})
        else:
            _log.info("settings reloaded")

    def _read(self) -> Settings:
        current = settings.read(worker.facts_of(self._path, crds.api).settings)
        if not self._image:
            return current
        pods = msgspec.structs.replace(current.pods, image=self._image)
        return msgspec.structs.replace(current, pods=pods)
