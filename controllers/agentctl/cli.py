"""The commands of ``agentctl``; each imports its dependencies when it runs."""

import pathlib
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from controllers.agentctl import options
from controllers.agentctl.archive import commands as archive
from controllers.agentctl.audit import commands as audit
from controllers.agentctl.certs import commands as certs
from controllers.agentctl.controller import commands as controller
from controllers.agentctl.delete import commands as deletion
from controllers.agentctl.diagnose import commands as diagnosis
from controllers.agentctl.get import commands as objects
from controllers.agentctl.run import commands as run
from controllers.agentctl.source import commands as source
from controllers.agentctl.status import commands as control_plane

# Same text as schemagen.cli.frame, which --help must not import.
EPILOG = (
    "Exit codes of every command beside its own: 70 an internal error, which is a bug: report it "
    "with what KUBEWRIGHT_TRACEBACK=1 shows; 130 Ctrl-C; 143 SIGTERM."
)


class Group(TyperGroup):
    """The command group, guarded by ``schemagen.cli.frame``, which ``--help`` does not import."""

    def make_context(self, *args: Any, **options: Any) -> Any:
        """Parse the program's options; a failure becomes an error line and an exit code."""
        try:
            return super().make_context(*args, **options)
        except typer.Exit:  # of --help
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - typer has no class for misuse
            from schemagen.cli import frame

            frame.refuse("agentctl", error)

    def invoke(self, ctx: Any) -> None:
        """Run the command; an exception becomes an error line and an exit code."""
        from schemagen.cli import frame

        frame.invoke("agentctl", lambda: super(Group, self).invoke(ctx))


app = typer.Typer(
    name="agentctl",
    cls=Group,
    help="Operate the Agents Platform.",
    epilog=EPILOG,
    no_args_is_help=True,
)


@app.callback()
def _main() -> None:
    """Operate the Agents Platform."""


@app.command()
def version(
    short: Annotated[bool, typer.Option("--short", help="Print only the numbers.")] = False,
    server: Annotated[
        bool,
        typer.Option("--server", help="Also that of the API server and of the platform in it."),
    ] = False,
    home: options.Home = options.DEFAULT_HOME,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Print the version of this program, and of what it is connected to.

    Exit codes: 0 success; 2 invalid input; 3 the Kubernetes API failed (--server).
    """
    if not server:
        number = metadata.version("kubewright")
        typer.echo(number if short else f"agentctl {number}")
        return
    from controllers.agentctl import session, versions

    raise typer.Exit(versions.show(session.Cluster(kubeconfig, context), home, short=short))


@app.command()
def demo(
    picture: Annotated[
        pathlib.Path | None, typer.Option(help="SVG file to save the output to.")
    ] = None,
) -> None:
    """Demonstrate the platform's API on a real API server on this machine, step by step.

    Exit codes: 0 every step behaved as described; 1 a step did not.
    """
    from controllers.agentctl.demo import demo as command

    raise typer.Exit(command.run(picture))


@app.command()
def dev(
    directory: Annotated[
        pathlib.Path,
        typer.Option(help="Directory for the kubeconfig, certificates, data and logs."),
    ] = pathlib.Path(".dev"),
) -> None:
    """Run an API server with the platform's API until Ctrl-C.

    Exit codes: 0 stopped by a signal; 1 a component did not start.
    """
    from controllers.agentctl.dev import dev as command

    raise typer.Exit(command.run(directory))


app.command()(controller.controller)
app.command()(objects.get)
app.command()(deletion.delete)
app.command()(objects.explain)
app.command()(diagnosis.diagnose)
app.command()(control_plane.status)
app.add_typer(run.app, name="run")
app.add_typer(source.app, name="source")
app.add_typer(archive.app, name="archive")
app.add_typer(audit.app, name="audit")
app.add_typer(certs.app, name="certs")


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def migrate(context: typer.Context) -> None:
    """Move the platform's objects to another version: plan, run, verify, rollback.

    Exit codes: those of its commands, see `agentctl migrate COMMAND --help`.
    """
    # Its commands are those of `schemagen migrate`, whose imports --help does without.
    from controllers.agentctl.migrate import commands

    program = typer.main.get_command(commands.app)
    code = program.main(context.args, prog_name="agentctl migrate", standalone_mode=False)
    raise typer.Exit(code or 0)


def main() -> None:
    """The console script."""
    app()
