"""No command shows a traceback, or ends with a code that its help does not have, for any input.

A short version: each command once; `make prove-commands` draws more.
"""

import pathlib

import pytest

from tests.support import command_mutations, depth
from tests.support.forked_commands import Commands

pytestmark = pytest.mark.slow

NUMBER = (3 if depth.DEEP else 1) * len(command_mutations.CALLS)


def test_broken_modules_arguments_and_files_are_explained(tmp_path: pathlib.Path) -> None:
    with Commands() as commands:
        faults = [
            f"{fault}: {call}\n{outcome.err[-2000:]}"
            for index in range(NUMBER)
            for call in [command_mutations.call(index, seed=16)]
            for outcome in [call.run(commands, tmp_path / str(index))]
            for fault in call.faults(outcome)
        ]

    assert [] == faults
