"""Two years of every certificate management, in steps of days (``make prove-expiry``: hours)."""

import datetime as dt
import pathlib

import pytest

from tests.support import two_years

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("mode", two_years.MODES, ids=lambda mode: mode.__name__)
def test_no_client_is_refused_in_two_years(
    tmp_path: pathlib.Path, mode: type[two_years.Mode]
) -> None:
    found = two_years.lived(mode, tmp_path, step=dt.timedelta(days=9), seed=0)

    assert [] == [one for one in found.refused if not is_forgotten(mode)]
    assert is_forgotten(mode) == bool(found.refused)
    assert is_forgotten(mode) == bool(found.unready)
    assert is_forgotten(mode) == bool(found.announced["Warning CertificateExpiring"])
    assert (found.damages > 0) == mode.has_damages
    assert min(len(found.certificates), found.jumps, found.handshakes) > 5
    if is_forgotten(mode):
        assert found.warned_left is not None
        assert found.warned_left > dt.timedelta(weeks=2)


def is_forgotten(mode: type[two_years.Mode]) -> bool:
    """Nobody renews in time: the warning and the readiness are for that case."""
    return mode is two_years.ForgottenPair
