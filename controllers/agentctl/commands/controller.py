"""``agentctl controller``."""

import pathlib
from typing import Annotated, Literal

import typer

from controllers.agentctl.commands import options


def controller(
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
    home: options.Home = options.DEFAULT_HOME,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Whose runs are looked after; all is every.")
    ] = "all",
    limit_namespace: Annotated[
        int, typer.Option(help="Runs in flight of one namespace; 0 is no limit.")
    ] = 10,
    limit_agent: Annotated[
        int, typer.Option(help="Runs in flight of one agent; 0 is no limit.")
    ] = 5,
    limit_cluster: Annotated[int, typer.Option(help="Runs in flight in all, 1 to 5000.")] = 100,
    workers: Annotated[
        int, typer.Option(min=1, help="How many runs are looked at side by side.")
    ] = 16,
    runtime: Annotated[
        Literal["job", "local"],
        typer.Option(help="What carries Jobs out: Kubernetes, or processes of this machine."),
    ] = "job",
    workspaces: Annotated[
        pathlib.Path | None,
        typer.Option(
            envvar="AGENTCTL_WORKSPACES",
            help="Folder for the workspaces of --runtime local. "
            "\\[default: workspaces in --state-dir]",
        ),
    ] = None,
    state_dir: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder for what is kept on this machine, which only --runtime local does. "
            "\\[default: the user's state directory]",
        ),
    ] = None,
    image: Annotated[
        str, typer.Option(help="Image of the runner, where neither run nor provider names one.")
    ] = "",
    allow_endpoint: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CIDR|HOST", help="What runs of type Custom may call though it is not public."
        ),
    ] = None,
    temporal: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Temporal's frontend, for runs of that type.")
    ] = "",
    archive: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Folder for runs that are old, before they are deleted; all are kept if absent."
        ),
    ] = None,
    no_archive: Annotated[
        bool, typer.Option("--no-archive", help="Delete runs that are too old for good.")
    ] = False,
    settings: Annotated[
        pathlib.Path | None,
        typer.Option(help="YAML with the operator's policy, as `webhooks serve --settings` reads."),
    ] = None,
    lease_seconds: Annotated[
        float, typer.Option(help="Another takes the Lease when it was not renewed for so long.")
    ] = 15.0,
    renew_seconds: Annotated[
        float, typer.Option(help="Who could not renew it for so long leads no more.")
    ] = 10.0,
    retry_seconds: Annotated[
        float, typer.Option(help="Between two attempts to take or renew it.")
    ] = 2.0,
    identity: Annotated[
        str, typer.Option(help="Name of this replica, which no other has; made up if absent.")
    ] = "",
    host: Annotated[
        str, typer.Option(help="Address of /livez, /readyz and /metrics; 0.0.0.0 in a pod.")
    ] = "127.0.0.1",
    health: Annotated[
        int, typer.Option(help="Port of these (plain HTTP); 0 takes a free one.")
    ] = 0,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="What is logged.")
    ] = "info",
) -> None:
    """Look after runs until SIGTERM or SIGINT: one replica of the controller.

    The one that has the Lease works; the others stand by with warm caches, and are ready as well.

    Exit codes: 0 told to stop; 1 the Lease was lost, or it failed: start it anew; 2 wrong input;
    3 the Kubernetes API's address or credentials cannot be worked out.
    """
    from controllers.agentctl import controller as command
    from controllers.agentctl import runtimes, session
    from schemagen import files

    given = command.Settings(
        home=home,
        namespace=namespace,
        limits=(limit_namespace, limit_agent, limit_cluster),
        timing=(lease_seconds, renew_seconds, retry_seconds),
        workers=workers,
        settings=settings,
        identity=identity,
        host=host,
        port=health,
        log_level=log_level,
        runtimes=runtimes.Options(
            jobs=runtime,
            workspaces=workspaces or (state_dir or files.state_directory()) / "workspaces",
            image=image,
            endpoints=tuple(allow_endpoint or ()),
            temporal=temporal,
        ),
        archive=archive,
        no_archive=no_archive,
    )
    raise typer.Exit(command.run(session.Cluster(kubeconfig, context), given))
