"""``agentctl run``: submit, wait, logs, cancel, retry, history, release."""

import pathlib
from typing import Annotated, Literal, TypeAlias

import typer

from controllers.agentctl import options
from controllers.agentctl.run.request import Request

app = typer.Typer(help="Submit and manage agent runs.", no_args_is_help=True)

Name: TypeAlias = Annotated[str, typer.Argument(help="Name of the run.")]
Wait: TypeAlias = Annotated[bool, typer.Option("--wait", help="Wait until the run has ended.")]
Timeout: TypeAlias = Annotated[
    str,
    typer.Option(metavar="TIME", help="Maximum time to wait, such as 10m. \\[default: no limit]"),
]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Validate on the API server without storing anything.")
]
Shown: TypeAlias = Annotated[
    Literal["table", "json", "yaml", "name"],
    typer.Option("--output", "-o", help="Output format for the created run."),
]


@app.command()
@options.expanded
def submit(
    request: Request,
    wait: Wait = False,
    timeout: Timeout = "",
    dry_run: DryRun = False,
    namespace: options.Namespace = "",
    output: Shown = "table",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Submit a run.

    With --idempotency-key, submitting again is safe: the existing run is shown. Fields that may
    change (priority, retention, suspend and cancel) are not compared.

    Exit codes: 0 submitted, or already exists (with --wait: and succeeded); 1 with --wait: failed
    or cancelled; 2 invalid input, rejected, or the key belongs to a different run; 3 the Kubernetes
    API failed; 4 timed out.
    """
    from controllers.agentctl import session
    from controllers.agentctl.run import submit as command

    cluster = session.Cluster(kubeconfig, context)
    how = command.Options(output=output, is_dry=dry_run, waits=wait, timeout=timeout)
    raise typer.Exit(command.run(cluster, cluster.namespace(namespace), request, how))


@app.command()
def wait(
    name: Name,
    wish: Annotated[
        Literal["succeeded", "ended", "running"],
        typer.Option("--for", help="State to wait for; ended includes failure and cancellation."),
    ] = "succeeded",
    timeout: Timeout = "",
    namespace: options.Namespace = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Wait until a run has succeeded, ended or started running, printing its progress.

    Exit codes: 0 reached the state; 1 cannot reach it: the run failed, was cancelled, or was
    deleted; 2 invalid input; 3 the Kubernetes API failed, or no such run; 4 timed out.
    """
    from controllers.agentctl import session
    from controllers.agentctl.run.wait import wait as command

    cluster = session.Cluster(kubeconfig, context)
    where = cluster.namespace(namespace)
    raise typer.Exit(command.run(cluster, where, name, wish, timeout))


@app.command()
def logs(
    ctx: typer.Context,
    name: Name,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Follow the logs until the run ends.")
    ] = False,
    step: Annotated[str, typer.Option(help="Only this step of a workflow.")] = "",
    attempt: Annotated[int, typer.Option(min=0, help="Attempt, from 1; 0 means the latest.")] = 0,
    workspaces: Annotated[
        pathlib.Path | None,
        typer.Option(
            envvar="AGENTCTL_WORKSPACES",
            help="Directory with the workspaces of `agentctl controller --runtime local`. "
            "\\[default: this user's, or that of `agentctl dev`]",
        ),
    ] = None,
    namespace: options.Namespace = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Print the agent logs of a run.

    If several pods have logs, each line is prefixed with its step or pod.

    Exit codes: 0 success; 1 no logs exist (any more), and known details are printed instead; 2
    invalid input; 3 the Kubernetes API failed, or no such run.
    """
    from controllers.agentctl import session
    from controllers.agentctl.run.logs import logs as command
    from controllers.agentctl.run.logs import pod_logs

    cluster = session.Cluster(kubeconfig, context)
    which = pod_logs.LogSelection(cluster.namespace(namespace), name, step, attempt)
    source = ctx.get_parameter_source("workspaces")
    is_variable = source is not None and source.name == "ENVIRONMENT"
    # A variable set for another cluster, or before its directory existed, hides no pod logs.
    folder = None if is_variable and workspaces and not workspaces.is_dir() else workspaces
    raise typer.Exit(command.run(cluster, which, folder, follows=follow))


@app.command()
def cancel(
    name: Name,
    wait: Wait = False,
    timeout: Timeout = "",
    namespace: options.Namespace = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Cancel a run. A run that has ended is not changed.

    Exit codes: 0 requested, or already ended (with --wait: ended in any phase); 1 with --wait:
    deleted; 2 invalid input, or rejected; 3 the Kubernetes API failed, or no such run; 4 timed out.
    """
    from controllers.agentctl import session
    from controllers.agentctl.run import cancel as command

    cluster = session.Cluster(kubeconfig, context)
    where = cluster.namespace(namespace)
    raise typer.Exit(command.run(cluster, where, name, waits=wait, timeout=timeout))


@app.command()
def retry(
    name: Name,
    new_name: Annotated[
        str, typer.Option("--name", help="Name of the new run. \\[default: derived from the old]")
    ] = "",
    idempotency_key: Annotated[
        str, typer.Option(help="Idempotency key of the new run; the old run's key is not reused.")
    ] = "",
    wait: Wait = False,
    timeout: Timeout = "",
    dry_run: DryRun = False,
    namespace: options.Namespace = "",
    output: Shown = "table",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Create a new run with the inputs of a run that has ended.

    Retrying the same run again is safe: the run created before is shown.

    Exit codes: 0 created, or already exists (with --wait: and succeeded); 1 with --wait: failed or
    cancelled; 2 invalid input, rejected, the run has not ended, or the name belongs to a different
    run; 3 the Kubernetes API failed, or no such run; 4 timed out.
    """
    from controllers.agentctl import session
    from controllers.agentctl.run import retry as command
    from controllers.agentctl.run import submit

    cluster = session.Cluster(kubeconfig, context)
    where = cluster.namespace(namespace)
    request = command.Request(namespace=where, run=name, name=new_name, key=idempotency_key)
    how = submit.Options(output=output, is_dry=dry_run, waits=wait, timeout=timeout)
    raise typer.Exit(command.run(cluster, request, how))


@app.command()
def history(
    name: Name,
    namespace: options.Namespace = "",
    output: Annotated[
        Literal["table", "json", "yaml"], typer.Option("--output", "-o", help="Output format.")
    ] = "table",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """List the attempts of a run: outcome, reason, exit code, Job and times.

    Exit codes: 0 success, even if no attempt was made; 2 invalid input; 3 the Kubernetes API
    failed, or no such run.
    """
    from controllers.agentctl import session
    from controllers.agentctl.run import history as command

    cluster = session.Cluster(kubeconfig, context)
    raise typer.Exit(command.run(cluster, cluster.namespace(namespace), name, output))


@app.command()
def release(
    name: Name,
    namespace: options.Namespace = "",
    home: options.Home = options.DEFAULT_HOME,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Abandon a run's work at an endpoint that no longer exists, freeing its slot and finalizer.

    For operators: writes to the controller's namespace. Make sure that the work has ended.

    Exit codes: 0 released; 2 no such work, or rejected; 3 the Kubernetes API failed.
    """
    from controllers.agentctl import session
    from controllers.agentctl.run import release as command

    cluster = session.Cluster(kubeconfig, context)
    raise typer.Exit(command.run(cluster, cluster.namespace(namespace), name, home))
