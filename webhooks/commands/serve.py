"""``webhooks serve``: the command line of ``webhooks.server.serve_settings``."""

from typing import Final

from controllers.process import setup
from webhooks.commands import model_options, options
from webhooks.server import serve as server
from webhooks.server.serve_settings import ServeSettings

# Where the name of an option is not that of its field.
NAMES: Final = {
    "cert_hold_seconds": "--cert-hold",
    "cert_lease_seconds": "--cert-lease",
    "names": "--name",
    "is_installing": "--install",
    "is_publishing_ca": "--publish-ca",
    "look_up": "--look-up/--no-look-up",
    "check_trust": "--check-trust/--no-check-trust",
    "is_tracing": "--traces",
    "is_verifying": "--verify-answers",
    "quiet_seconds": "--quiet",
    "drain_seconds": "--drain",
}
METAVARS: Final = {
    "reference": "MODULE:API",
    "crds": "PATH",
    "conversions": "PATH",
    "cert_secret": "NAMESPACE/NAME",
    "service": "NAMESPACE/NAME",
}


@model_options.filling(ServeSettings, argument="reference", names=NAMES, metavars=METAVARS)
def serve(settings: ServeSettings) -> None:
    """Serve /mutate, /validate and /convert over TLS until SIGTERM or SIGINT.

    On SIGHUP, or when the files change, certificates and settings are reloaded.

    Exit codes: 0 stopped, 2 failed to start, or the cluster refused the registration.
    """
    setup.log_to_stderr()
    api = options.load(settings.reference, settings.crds, settings.conversions)
    server.run(api, settings)
