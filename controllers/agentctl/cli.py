"""``agentctl``: its commands, each of which imports what it needs only when it runs."""

import pathlib
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from controllers.agentctl.commands import archive, certs, controller, objects, run

# As schemagen.commandline has them, which is not loaded for a help text.
EPILOG = (
    "Exit codes of every command beside its own: 70 an internal error, which is a bug: report it "
    "with what KUBEWRIGHT_TRACEBACK=1 shows; 130 Ctrl-C; 143 SIGTERM."
)


class Group(TyperGroup):
    """The commands, each guarded by ``schemagen.commandline``, which ``--help`` does without."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Read the program's own options; help that cannot be written is no traceback either."""
        try:
            return super().make_context(*args, **options)
        except (OSError, SystemExit) as error:
            from schemagen import commandline

            raise typer.Exit(commandline.ended("agentctl", error)) from error

    def invoke(self, ctx: Any) -> None:
        """Run the command; whatever it raises becomes a line and an exit code."""
        from schemagen import commandline

        commandline.invoke("agentctl", lambda: super(Group, self).invoke(ctx))


app = typer.Typer(
    name="agentctl",
    cls=Group,
    help="Run and look after the Agents Platform.",
    epilog=EPILOG,
    no_args_is_help=True,
)


@app.callback()
def _main() -> None:
    """Run and look after the Agents Platform."""


@app.command()
def version() -> None:
    """Print the version of this program."""
    typer.echo(f"agentctl {metadata.version('kubewright')}")


@app.command()
def demo(
    picture: Annotated[
        pathlib.Path | None, typer.Option(help="SVG file for a picture of all that is shown.")
    ] = None,
) -> None:
    """Show the platform's API on a real API server on this machine, step by step.

    Exit codes: 0 if every step did what it says, 1 if one did not.
    """
    from controllers.agentctl import demo as command

    raise typer.Exit(command.run(picture))


@app.command()
def dev(
    directory: Annotated[
        pathlib.Path,
        typer.Option(help="Folder for the kubeconfig, the certificates, the data and the logs."),
    ] = pathlib.Path(".dev"),
) -> None:
    """Keep an API server with the platform's API running until Ctrl-C.

    Exit codes: 0 told to stop, 1 something did not start.
    """
    from controllers.agentctl import dev as command

    raise typer.Exit(command.run(directory))


app.command()(controller.controller)
app.command()(objects.get)
app.command()(objects.explain)
app.add_typer(run.app, name="run")
app.add_typer(archive.app, name="archive")
app.add_typer(certs.app, name="certs")


def main() -> None:
    """The console script."""
    app()
