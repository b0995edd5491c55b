"""Build hook that adds the judge's WebAssembly module to the wheel, and its SBOM; standalone.

KUBEWRIGHT_JUDGE names a prebuilt module, as `make judge` prints it.
"""

import hashlib
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
SBOM = "controllers/agentctl/sbom"


class JudgeHook(BuildHookInterface):  # type: ignore[type-arg] # of any configuration
    """Build hook of a wheel; an editable install uses the module in the user's cache."""

    _scratch: "tempfile.TemporaryDirectory[str]"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the module and its SBOM (PEP 770) to the files of the wheel."""
        self._scratch = tempfile.TemporaryDirectory()
        if version == "editable":
            return
        path = os.environ.get("KUBEWRIGHT_JUDGE") or self._built()
        build_data["force_include"][path] = f"{SOURCE}/{NAME}"
        document = pathlib.Path(self._scratch.name, "kubewright.spdx.json")
        document.write_text(self._sbom(pathlib.Path(path).read_bytes()))
        build_data["sbom_files"].append(str(document))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the build output once it is in the wheel."""
        del version, build_data, artifact_path
        self._scratch.cleanup()

    def _built(self) -> str:
        go = shutil.which("go")
        if go is None:
            raise RuntimeError(
                "expected Go 1.26 or newer on PATH to build the judge, got none: install it, "
                "or set KUBEWRIGHT_JUDGE to what `make judge` prints"
            )
        path = pathlib.Path(self._scratch.name, NAME)
        self.app.display_info(f"building {NAME} from Go modules (a minute and a half)")
        source, folder = pathlib.Path(self.root, SOURCE), path.with_name("modules")
        recipe = _standalone(source / "recipe.py")
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

    def _sbom(self, module: bytes) -> str:
        """Return the SPDX document of the wheel: what is in it besides this project's own code."""
        folder = pathlib.Path(self.root, SBOM)
        documents = _standalone(folder / "documents.py")
        go_modules = _standalone(folder / "go_modules.py")
        judge = documents.Component(
            f"{SOURCE}/{NAME}",
            sha256=hashlib.sha256(module).hexdigest(),
            purpose="APPLICATION",
            contains=tuple(
                documents.Component(name, version, f"pkg:golang/{name}@{version}", comment=comment)
                for name, version, comment in go_modules.linked(module)
            ),
        )
        name, version = self.metadata.core.raw_name, self.metadata.version
        wheel = documents.Component(
            name,
            version,
            f"pkg:pypi/{name}@{version}",
            license=self.metadata.core.license_expression,
            contains=(judge,),
        )
        document: str = documents.document(wheel, created=documents.created(os.environ))
        return document


def _standalone(path: pathlib.Path) -> types.SimpleNamespace:
    """Load a file by path: packages of this project cannot be imported in the build environment."""
    return types.SimpleNamespace(**runpy.run_path(str(path)))
