"""``agentctl diagnose``."""

import pathlib
from typing import Annotated, Literal

import typer

from controllers.agentctl import options


def diagnose(
    check: Annotated[
        list[str] | None, typer.Option(help="Run only this check; may be repeated.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Do not run this check; may be repeated.")
    ] = None,
    pre: Annotated[
        bool, typer.Option("--pre", help="Check whether the platform can be installed.")
    ] = False,
    show_list: Annotated[
        bool, typer.Option("--list", help="Print the checks, and run none.")
    ] = False,
    namespace: options.OneNamespace = None,
    home: options.Home = options.DEFAULT_HOME,
    deadline: options.Deadline = options.DEFAULT_DEADLINE,
    bundle: Annotated[
        pathlib.Path | None,
        typer.Option(help="File (.tar.gz) to write a redacted support archive to."),
    ] = None,
    output: Annotated[
        Literal["table", "json", "junit"],
        typer.Option("--output", "-o", help="Output format; the exit code is the same for all."),
    ] = "table",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Find out what is wrong with the platform, or what would prevent its installation.

    Every check names the objects at fault and what to do. Nothing is changed: conversions are
    tried in dry runs. What cannot be read, or takes too long, does not affect the other checks.

    Exit codes: 0 no check failed, warnings aside; 1 a check failed; 2 invalid input; 3 the
    Kubernetes API could not be reached or refused the credentials, or no check failed but some
    could not be done; 70 a check has a bug.
    """
    from controllers.agentctl import session
    from controllers.agentctl.diagnose import diagnose as command
    from controllers.agentctl.diagnose.reading import reader

    if show_list:
        raise typer.Exit(command.show_checks())
    given = reader.Options(
        mode="pre" if pre else "installed",
        home=home,
        namespace=namespace,
        deadline_seconds=deadline,
    )
    code = command.run(
        session.Cluster(kubeconfig, context),
        given,
        only=check or (),
        skipped=skip or (),
        form=output,
        archive=bundle,
    )
    raise typer.Exit(code)
