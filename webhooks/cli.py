"""``webhooks``: serve an Api's webhooks, or review a single request without a server."""

import typer

from controllers.process import setup
from schemagen.cli import frame
from webhooks.commands import dev, install, lint, manifests, review, serve, uninstall

app = typer.Typer(
    name="webhooks",
    cls=frame.Group,
    help="Admission and conversion webhooks for any schemagen Api.",
    epilog=frame.EPILOG,
    no_args_is_help=True,
)


@app.callback()
def _main() -> None:
    """Admission and conversion webhooks for any schemagen Api."""
    setup.allow_deep_json()


# In the order of the help.
for _command in (
    review.review,
    manifests.manifests,
    lint.lint,
    serve.serve,
    install.install,
    uninstall.uninstall,
    dev.dev,
):
    app.command()(_command)


def main() -> None:
    """Run the console script."""
    app()
