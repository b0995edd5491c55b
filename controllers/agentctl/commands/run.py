"""``agentctl run``: submit, wait, logs, cancel, retry, history, release."""

import pathlib
from typing import Annotated, Literal, TypeAlias

import typer

from controllers.agentctl.commands import options

app = typer.Typer(help="Submit runs of agents, and follow them.", no_args_is_help=True)

Name: TypeAlias = Annotated[str, typer.Argument(help="Name of the run.")]
Wait: TypeAlias = Annotated[bool, typer.Option("--wait", help="Wait until the run has ended.")]
Timeout: TypeAlias = Annotated[
    str, typer.Option(metavar="TIME", help="How long to wait, such as 10m; for ever if absent.")
]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Have the API server check it, and store nothing.")
]
Shown: TypeAlias = Annotated[
    Literal["table", "json", "yaml", "name"],
    typer.Option("--output", "-o", help="How to show the run that was made."),
]


@app.command()
def submit(
    agent: Annotated[str, typer.Option(help="Agent that is to run.")],
    impl: Annotated[str, typer.Option(help="ImplementationSpec that says what to do.")] = "",
    text: Annotated[str, typer.Option(help="What to do, written out.")] = "",
    file: Annotated[
        pathlib.Path | None,
        typer.Option("--file", "-f", help="File that says what to do; - is standard input."),
    ] = None,
    runtime: Annotated[
        Literal["job", "workflow", "temporal", "custom"], typer.Option(help="What carries it out.")
    ] = "job",
    runtime_config: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Setting of the runtime, such as jobTTL=1h, backoffLimit=2, "
            "podTemplate.nodeSelector.disk=ssd; v1alpha1's names are taken, too. May be repeated.",
        ),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Parameter of the run. May be repeated."),
    ] = None,
    idempotency_key: Annotated[
        str, typer.Option(help="Runs of an agent with the same key are one run.")
    ] = "",
    workload_image: Annotated[str, typer.Option(help="Image of the runner.")] = "",
    cpu: Annotated[str, typer.Option(help="CPU that the runner requests, such as 500m.")] = "",
    memory: Annotated[str, typer.Option(help="Memory that it requests, such as 1Gi.")] = "",
    memory_ref: Annotated[str, typer.Option(help="Memory that the run uses.")] = "",
    vcs: Annotated[str, typer.Option(help="VersionControlProvider of the run's code.")] = "",
    vcs_mode: Annotated[
        Literal["read-write", "read-only", "none"] | None,
        typer.Option(help="What the run may do with the code."),
    ] = None,
    vcs_required: Annotated[
        bool, typer.Option("--vcs-required", help="Fail the run if the code cannot be reached.")
    ] = False,
    secret: Annotated[
        list[str] | None,
        typer.Option(help="Secret that becomes environment variables. May be repeated."),
    ] = None,
    priority: Annotated[
        int | None, typer.Option(help="Waiting runs with a higher priority start first.")
    ] = None,
    name: Annotated[
        str,
        typer.Option(help="Name of the run; by default it follows from the key, or is made up."),
    ] = "",
    wait: Wait = False,
    timeout: Timeout = "",
    dry_run: DryRun = False,
    namespace: options.Namespace = "",
    output: Shown = "table",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Submit a run.

    With --idempotency-key, to submit the same again is harmless: the run that is there is shown.
    Its priority, retention, suspend and cancel, which may change, are not compared.

    Exit codes: 0 submitted, or there already (with --wait: and succeeded); 1 with --wait: it failed
    or was cancelled; 2 wrong input, refused, or the key's run is another one; 3 Kubernetes API;
    4 not ended in time.
    """
    from controllers.agentctl import session, submission
    from controllers.agentctl import submit as command

    cluster = session.Cluster(kubeconfig, context)
    asked = submission.Asked(
        namespace=cluster.namespace(namespace),
        agent=agent,
        implementation=impl,
        text=text,
        runtime=runtime,
        runtime_config=runtime_config or (),
        parameters=param or (),
        idempotency_key=idempotency_key,
        image=workload_image,
        cpu=cpu,
        memory=memory,
        memory_ref=memory_ref,
        vcs=vcs,
        vcs_mode=vcs_mode,
        is_vcs_required=vcs_required,
        secrets=secret or (),
        priority=priority,
        name=name,
    )
    how = command.How(output=output, is_dry=dry_run, waits=wait, timeout=timeout)
    raise typer.Exit(command.run(cluster, asked, file, how))


@app.command()
def wait(
    name: Name,
    wish: Annotated[
        Literal["succeeded", "ended", "running"],
        typer.Option("--for", help="What to wait for; ended is any end, also a failure."),
    ] = "succeeded",
    timeout: Timeout = "",
    namespace: options.Namespace = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Wait until a run has succeeded, has ended, or runs; say meanwhile how it stands.

    Exit codes: 0 it came as wished; 1 it did not: the run failed, was cancelled, or was deleted;
    2 wrong input; 3 Kubernetes API, or there is no such run; 4 not in time.
    """
    from controllers.agentctl import session
    from controllers.agentctl import wait as command

    cluster = session.Cluster(kubeconfig, context)
    where = cluster.namespace(namespace)
    raise typer.Exit(command.run(cluster, where, name, wish, timeout))


@app.command()
def logs(
    ctx: typer.Context,
    name: Name,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run has ended.")
    ] = False,
    step: Annotated[str, typer.Option(help="Only this step of a workflow.")] = "",
    attempt: Annotated[
        int, typer.Option(min=0, help="Which attempt, from 1; 0 is the latest.")
    ] = 0,
    workspaces: Annotated[
        pathlib.Path | None,
        typer.Option(
            envvar="AGENTCTL_WORKSPACES",
            help="Where `agentctl controller --runtime local` keeps workspaces, for its runs. "
            "\\[default: where this user's, or `agentctl dev`, keeps them]",
        ),
    ] = None,
    namespace: options.Namespace = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Show what the agent of a run prints.

    Where several pods have logs, each line begins with its step, or its pod.

    Exit codes: 0 shown; 1 there are no logs (any more), and what is known instead is said; 2 wrong
    input; 3 Kubernetes API, or there is no such run.
    """
    from controllers.agentctl import logs as command
    from controllers.agentctl import podlogs, session

    cluster = session.Cluster(kubeconfig, context)
    which = podlogs.Which(cluster.namespace(namespace), name, step, attempt)
    source = ctx.get_parameter_source("workspaces")
    is_variable = source is not None and source.name == "ENVIRONMENT"
    # A variable that was set for another cluster, or before there was one, hides no logs of pods.
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
    """Have a run end now. What has ended stays as it ended.

    Exit codes: 0 asked for, or it has ended (with --wait: however it ended); 1 with --wait: it was
    deleted; 2 wrong input, or refused; 3 Kubernetes API, or there is no such run; 4 not ended in
    time.
    """
    from controllers.agentctl import cancel as command
    from controllers.agentctl import session

    cluster = session.Cluster(kubeconfig, context)
    where = cluster.namespace(namespace)
    raise typer.Exit(command.run(cluster, where, name, waits=wait, timeout=timeout))


@app.command()
def retry(
    name: Name,
    new_name: Annotated[
        str, typer.Option("--name", help="Name of the new run; by default it follows from the old.")
    ] = "",
    idempotency_key: Annotated[
        str, typer.Option(help="Its idempotency key; that of the ended run stays with that.")
    ] = "",
    wait: Wait = False,
    timeout: Timeout = "",
    dry_run: DryRun = False,
    namespace: options.Namespace = "",
    output: Shown = "table",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Make a run anew of one that has ended, with the same inputs.

    To retry the same run again is harmless: the run that was made of it is shown.

    Exit codes: 0 made, or there already (with --wait: and succeeded); 1 with --wait: it failed or
    was cancelled; 2 wrong input, refused, the run has not ended, or the name is another's; 3
    Kubernetes API, or there is no such run; 4 not ended in time.
    """
    from controllers.agentctl import retry as command
    from controllers.agentctl import session, submit

    cluster = session.Cluster(kubeconfig, context)
    where = cluster.namespace(namespace)
    asked = command.Asked(namespace=where, run=name, name=new_name, key=idempotency_key)
    how = submit.How(output=output, is_dry=dry_run, waits=wait, timeout=timeout)
    raise typer.Exit(command.run(cluster, asked, how))


@app.command()
def history(
    name: Name,
    namespace: options.Namespace = "",
    output: Annotated[
        Literal["table", "json", "yaml"], typer.Option("--output", "-o", help="How to show it.")
    ] = "table",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Show the attempts of a run: how each ended and why, with exit code, Job and times.

    Exit codes: 0 shown, even if there was none yet; 2 wrong input; 3 Kubernetes API, or there is no
    such run.
    """
    from controllers.agentctl import history as command
    from controllers.agentctl import session

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
    """Give up a run's work at an endpoint that is gone: its slot is freed, and it can be deleted.

    For operators: it writes to the controller's own namespace. Make sure that the work has ended.

    Exit codes: 0 released; 2 no such work, or refused; 3 Kubernetes API.
    """
    from controllers.agentctl import release as command
    from controllers.agentctl import session

    cluster = session.Cluster(kubeconfig, context)
    raise typer.Exit(command.run(cluster, cluster.namespace(namespace), name, home))
