"""``agentctl migrate``: ``schemagen migrate`` for the platform's kinds, by their names."""

import os

import typer

from controllers.agentctl import options
from schemagen.cli import help_text
from schemagen.cli.migrate import commands

_COMMANDS = (commands.plan, commands.run, commands.verify, commands.rollback)

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
    # `schemagen migrate`, whose commands these are, does not know agentctl's variables.
    given = {
        "kubeconfig": os.environ.get(options.KUBECONFIG_VARIABLE),
        "context": os.environ.get(options.CONTEXT_VARIABLE),
    }
    context.default_map = {
        command.__name__: {name: value for name, value in given.items() if value}
        for command in _COMMANDS
    }


def _crd_name(word: str) -> str:
    """Return the CRD of a kind, such as ``runs``; the name of a CRD itself is accepted as it is."""
    from controllers.agentctl import kind_names

    if "." in word:
        return word
    resource = kind_names.resource(word)
    return f"{resource.plural}.{resource.group}"


for _command in _COMMANDS:
    app.command()(_command)
