"""The platform on this machine: the embedded control plane and the webhook server. Shell."""

import contextlib
import pathlib
import subprocess
import sys
from collections.abc import Iterator

from controllers import devcluster

STOP_SECONDS = 10


class WebhookServerError(Exception):
    """The webhook server did not start: the message has what it said last."""


@contextlib.contextmanager
def webhook_server(
    cluster: devcluster.Cluster,
    directory: pathlib.Path,
    *,
    port: int = 0,
    storage: str | None = None,
) -> Iterator[str]:
    """Run ``webhooks serve crds:api --install`` beside a control plane; its value is the address.

    Certificates and the server's log stand in ``directory``.

    Raises:
        WebhookServerError: if it ends, or says nothing, before it serves.
    """
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "webhooks.log"
    with log.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [
                *(sys.executable, "-m", "webhooks", "serve", "crds:api", "--install"),
                *("--port", str(port), "--cert-dir", str(directory / "certificates")),
                *("--kubeconfig", str(cluster.admin_kubeconfig)),
                *(("--storage", storage) if storage else ()),
            ],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield _address(process, log)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _address(process: subprocess.Popen[str], log: pathlib.Path) -> str:
    """The address in the one line that the server prints when it is ready."""
    line = process.stdout.readline() if process.stdout is not None else ""
    if not line.startswith("serving "):
        last = "\n".join(log.read_text().splitlines()[-10:])
        raise WebhookServerError(f"expected the webhook server to start, got:\n{last}\nsee {log}")
    return line.split()[-1]
