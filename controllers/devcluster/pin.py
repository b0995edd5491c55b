"""Pins another Kubernetes version. Shell: files of this source tree."""

import pathlib
import re
import tempfile
from collections.abc import Callable

from controllers.devcluster import build, versions

VERSIONS = pathlib.Path(versions.__file__)


def pin(
    version: versions.Version, *, cache: pathlib.Path, tell: Callable[[str], None] = print
) -> None:
    """Rewrite versions.py, go.mod and go.sum in this source tree: all or none.

    Modules outside Kubernetes, such as etcd, keep their version or are upgraded.

    Raises:
        errors.DevclusterError: Go cannot resolve the modules of that version.
    """
    with tempfile.TemporaryDirectory(prefix="kubewright-pin-") as name:
        folder = pathlib.Path(name)
        (folder / "go.mod").write_text(go_mod_at(version, build.GO_MOD.read_text()))
        (folder / "go.sum").write_bytes(build.GO_SUM.read_bytes())
        build.tidy(folder, cache=cache, tell=tell)
        build.GO_MOD.write_bytes((folder / "go.mod").read_bytes())
        build.GO_SUM.write_bytes((folder / "go.sum").read_bytes())
    VERSIONS.write_text(versions_at(version, VERSIONS.read_text()))


def go_mod_at(version: versions.Version, locked: str) -> str:
    """Return go.mod with Kubernetes and its staging modules at a version."""
    text = re.sub(
        r"(replace k8s\.io/[\w-]+ => k8s\.io/[\w-]+) v\S+",
        rf"\1 v0.{version.minor}.{version.patch}",
        locked,
    )
    return re.sub(r"(k8s\.io/kubernetes) v\S+", rf"\1 v{version}", text)


def versions_at(version: versions.Version, source: str) -> str:
    """Return the source of versions.py with another version."""
    line = f'KUBERNETES_VERSION = "{version}"'
    return re.sub(r'(?m)^KUBERNETES_VERSION = ".*"$', line, source)
