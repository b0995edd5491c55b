"""``agentctl migrate``: ``schemagen migrate`` for the platform's kinds, by their names."""

import typer

from schemagen.cli import help_text
from schemagen.cli.migrate import commands

app = typer.Typer(
    cls=help_text.Group,
    add_completion=False,
    help="Move the platform's objects to another version, in a live cluster.",
    no_args_is_help=True,
)


@app.callback()
def _main(context: typer.Context) -> None:
    """Move the platform's objects to another version, in a live cluster."""
    context.obj = _crd_name


def _crd_name(word: str) -> str:
    """Return the CRD of a kind, such as ``runs``; the name of a CRD itself is accepted as it is."""
    from controllers.agentctl import kind_names

    if "." in word:
        return word
    resource = kind_names.resource(word)
    return f"{resource.plural}.{resource.group}"


app.command()(commands.plan)
app.command()(commands.run)
app.command()(commands.verify)
app.command()(commands.rollback)
