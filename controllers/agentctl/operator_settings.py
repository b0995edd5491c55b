"""The operator's settings file, followed while a controller runs. Shell: a file and a clock.

Webhook workers follow theirs in the same way and judge it by the same rules, so that both decide
alike a second after a change.
"""

import asyncio
import logging
import pathlib
from typing import Final

import msgspec

import crds
from certs import files
from crds.admission import settings
from crds.admission.settings import Settings
from webhooks import worker

PERIOD_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)


class SettingsFile:
    """What the file said when it could be read last.

    Args:
        path: None is no file: the settings are the defaults.
        image: Of the runner by the command line; it goes before the file's.

    Raises:
        SettingsError: The file cannot be used.
    """

    def __init__(self, path: pathlib.Path | None, image: str = "") -> None:
        self._path, self._image = path, image
        self._seen = files.stamp(path) if path else None
        self._current = self._read()
        self.failures = 0
        """How often a change was refused."""

    def current(self) -> Settings:
        """The settings as they are now."""
        return self._current

    async def follow(self) -> None:
        """Take changes up until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            self.reload_changed()

    def reload_changed(self) -> None:
        """Read the file again if it is another now; one that is broken changes nothing."""
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
        found = settings.read(worker.facts_of(self._path, crds.api).settings)
        if not self._image:
            return found
        pods = msgspec.structs.replace(found.pods, image=self._image)
        return msgspec.structs.replace(found, pods=pods)
