"""Conversion functions are tried once per machine, and again when a module changes."""

import os
import pathlib

import pytest

from schemagen.versions import schema_places
from schemagen.versions.verification import cached as conversions
from schemagen.versions.verification import function_trials
from tests.schemagen.versions import test_residue_exclusions
from tests.support import foundry


def test_functions_are_tried_again_only_when_a_module_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("KUBEWRIGHT_CACHE", str(tmp_path))
    tried: list[object] = []

    def of_conversion(*given: object) -> list[schema_places.Fault]:
        tried.append(given)
        return []

    monkeypatch.setattr(function_trials, "of_conversion", of_conversion)
    module = pathlib.Path(test_residue_exclusions.__file__)
    status = module.stat()

    conversions.check(foundry.api)
    conversions.check(foundry.api)
    before = len(tried)
    os.utime(module, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    conversions.check(foundry.api)
    os.utime(module, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert (1, 2) == (before, len(tried))
