"""The options of ``agentctl controller``, declared once; imports only typer."""

import dataclasses
import pathlib
from typing import Annotated, Literal

import typer

from controllers.agentctl import options

ALL = "all"
"""All namespaces, as a value of ``--namespace``."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ControllerOptions:
    """The options as given."""

    home: options.Home = options.DEFAULT_HOME
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Namespace whose runs are reconciled, or all.")
    ] = "all"
    limit_namespace: Annotated[
        int, typer.Option(help="Maximum runs in flight per namespace; 0 means no limit.")
    ] = 10
    limit_agent: Annotated[
        int, typer.Option(help="Maximum runs in flight per agent; 0 means no limit.")
    ] = 5
    limit_cluster: Annotated[
        int, typer.Option(help="Maximum runs in flight in the cluster, 1 to 5000.")
    ] = 100
    workers: Annotated[int, typer.Option(min=1, help="Number of runs reconciled concurrently.")] = (
        16
    )
    runtime: Annotated[
        Literal["job", "local"],
        typer.Option(help="Executor of Jobs: Kubernetes, or processes on this machine."),
    ] = "job"
    workspaces: Annotated[
        pathlib.Path | None,
        typer.Option(
            envvar="AGENTCTL_WORKSPACES",
            help="Directory for the workspaces of --runtime local. "
            "\\[default: workspaces in --state-dir]",
        ),
    ] = None
    state_dir: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Directory for local state, used only by --runtime local. "
            "\\[default: the user's state directory]",
        ),
    ] = None
    image: Annotated[
        str, typer.Option(help="Runner image for runs whose spec and provider set none.")
    ] = ""
    allow_endpoint: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CIDR|HOST",
            help="Non-public destination that Custom runs and probes of Memories may call.",
        ),
    ] = None
    read_secret: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMESPACE/NAME",
            help="Secret that the controller may read to check credentials; * is a wildcard.",
        ),
    ] = None
    temporal: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Temporal frontend for Temporal runs.")
    ] = ""
    archive: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Directory to archive expired runs to before deletion. \\[default: keep all runs]"
        ),
    ] = None
    no_archive: Annotated[
        bool, typer.Option("--no-archive", help="Delete expired runs without archiving them.")
    ] = False
    settings: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="YAML file with the operator's policy, as for `webhooks serve --settings`."
        ),
    ] = None
    lease_seconds: Annotated[
        float, typer.Option(help="Lease duration: another replica may take it after this long.")
    ] = 15.0
    renew_seconds: Annotated[
        float, typer.Option(help="Renew deadline: the leader steps down after failing this long.")
    ] = 10.0
    retry_seconds: Annotated[
        float, typer.Option(help="Interval between attempts to acquire or renew the Lease.")
    ] = 2.0
    identity: Annotated[
        str, typer.Option(help="Unique identity of this replica. \\[default: generated]")
    ] = ""
    host: Annotated[
        str, typer.Option(help="Listen address of /livez, /readyz and /metrics; 0.0.0.0 in a pod.")
    ] = "127.0.0.1"
    health: Annotated[
        int, typer.Option(help="Port of these endpoints (plain HTTP); 0 picks a free port.")
    ] = 0
    sources_port: Annotated[
        int | None,
        typer.Option(
            help="Port for deliveries of GitHub and Linear (plain HTTP); 0 picks a free port. "
            "\\[default: none are received]"
        ),
    ] = None
    github_api: Annotated[
        str,
        typer.Option(help="Base URL of GitHub's REST API, such as of an own GitHub Enterprise."),
    ] = "https://api.github.com"
    spool: Annotated[
        pathlib.Path | None,
        typer.Option(
            help="Directory that keeps deliveries until they are applied, one for each replica. "
            "\\[default: they are applied before they are answered]"
        ),
    ] = None
    audit: Annotated[
        str,
        typer.Option(
            metavar="FILE|-|URL",
            help="Audit log of deliveries and runs: a file of this replica, - for standard output, "
            "or an http(s) URL. \\[default: none]",
        ),
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="Log level.")
    ] = "info"
