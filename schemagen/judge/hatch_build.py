"""Build hook that adds the judge's WebAssembly module to the wheel; standalone.

KUBEWRIGHT_JUDGE names a prebuilt module, as `make judge` prints it.
"""

import os
import pathlib
import runpy
import shutil
import subprocess
import tempfile
import types
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "schemagen/judge"
NAME = "judge.wasm"


class JudgeHook(BuildHookInterface):  # type: ignore[type-arg] # of any configuration
    """Build hook of a wheel; an editable install uses the module in the user's cache."""

    _scratch: "tempfile.TemporaryDirectory[str] | None" = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the module to the files of the wheel."""
        if version == "editable":
            return
        path = os.environ.get("KUBEWRIGHT_JUDGE") or self._built()
        build_data["force_include"][path] = f"{SOURCE}/{NAME}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the build output once it is in the wheel."""
        del version, build_data, artifact_path
        if self._scratch is not None:
            self._scratch.cleanup()

    def _built(self) -> str:
        go = shutil.which("go")
        if go is None:
            raise RuntimeError(
                "expected Go 1.26 or newer on PATH to build the judge, got none: install it, "
                "or set KUBEWRIGHT_JUDGE to what `make judge` prints"
            )
        self._scratch = tempfile.TemporaryDirectory()
        path = pathlib.Path(self._scratch.name, NAME)
        self.app.display_info(f"building {NAME} from Go modules (a minute and a half)")
        source, folder = pathlib.Path(self.root, SOURCE), path.with_name("modules")
        # By path: packages of this project cannot be imported in the build environment.
        recipe = types.SimpleNamespace(**runpy.run_path(str(source / "recipe.py")))
        environment = {**os.environ, **recipe.TARGET}

        def run(*arguments: str) -> str:
            return subprocess.run(  # noqa: S603 - Go, on our own sources
                [go, *arguments],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            ).stdout

        recipe.lay_out(source, folder, run)
        run("build", "-mod=readonly", *recipe.FLAGS, "-o", str(path), ".")
        return str(path)
