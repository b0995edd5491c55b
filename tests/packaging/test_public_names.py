"""What each package exports is what it lists, and importing it loads no more than it needs."""

import doctest
import importlib
import subprocess
import sys

import pytest

FACADES = ["schemagen", "webhooks", "certs", "controllers.kube"]
PACKAGES = [*FACADES, "crds", "controllers.kube.testing", "controllers.devcluster"]


@pytest.mark.parametrize("name", PACKAGES)
def test_listed_names_exist_once(name: str) -> None:
    module = importlib.import_module(name)

    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, exported) for exported in module.__all__)


@pytest.mark.parametrize("name", FACADES)
def test_example_of_a_facade_runs(name: str) -> None:
    options = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL

    found = doctest.testmod(importlib.import_module(name), optionflags=options)

    assert 0 == found.failed
    assert found.attempted > 3


@pytest.mark.parametrize("name", ["webhooks", "certs"])
def test_facade_loads_nothing_until_a_name_is_used(name: str) -> None:
    code = f"import sys, {name}; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert [name] == [module for module in loaded if module.startswith(name)]


def test_agentctl_starts_without_the_rest() -> None:
    code = "import sys, controllers.agentctl.cli; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert {"kubernetes", "aiohttp", "crds", "cryptography"}.isdisjoint(loaded)


def test_schemagen_starts_without_what_its_commands_load() -> None:
    code = "import sys, schemagen.cli.commands; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    late = {"schemagen.judge", "schemagen.checking", "schemagen.compat.sources", "wasmtime", "xml"}
    assert late.isdisjoint(loaded)


def test_toolkit_needs_no_network_library() -> None:
    code = "import sys, schemagen.crd.definitions, schemagen.versions.graph; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert {"kubernetes", "aiohttp", "ssl", "asyncio", "yaml"}.isdisjoint(loaded)


def test_conversion_is_what_users_construct_under_one_name() -> None:
    code = (
        "import schemagen; from schemagen import Conversion, records, steps;"
        "from schemagen.model import registry;"
        "assert Conversion is schemagen.versions.records.Conversion;"
        "assert records is schemagen.versions.records;"
        "assert steps is schemagen.versions.steps;"
        "assert not hasattr(registry, 'Conversion')"
    )

    subprocess.run([sys.executable, "-c", code], check=True)
