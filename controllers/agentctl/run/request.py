"""The options of ``agentctl run submit`` that describe the run; imports only typer."""

import dataclasses
import pathlib
from typing import Annotated, Literal, TypeAlias

import typer

VcsMode: TypeAlias = Literal["read-write", "read-only", "none"]


def _runtimes() -> list[str]:
    from controllers.agentctl.run import runtime_options  # noqa: PLC0415 - only for completion

    return [*runtime_options.names()]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """The options of a run as given, written once; pairs are ``KEY=VALUE``."""

    agent: Annotated[str, typer.Option(help="Agent to run.")]
    implementation: Annotated[
        str, typer.Option("--impl", help="ImplementationSpec with the task.")
    ] = ""
    text: Annotated[str, typer.Option(help="Task text.")] = ""
    file: Annotated[
        pathlib.Path | None,
        typer.Option("--file", "-f", help="File with the task text; - reads standard input."),
    ] = None
    runtime: Annotated[
        str,
        typer.Option(
            metavar="TYPE",
            autocompletion=_runtimes,
            help="Runtime to use: a spec.runtime.type in lower case, such as workflow.",
        ),
    ] = "job"
    runtime_config: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Runtime setting, such as jobTTL=1h, backoffLimit=2, "
            "podTemplate.nodeSelector.disk=ssd; v1alpha1 names are also accepted. May be repeated.",
        ),
    ] = None
    parameters: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="KEY=VALUE", help="Run parameter. May be repeated."),
    ] = None
    idempotency_key: Annotated[
        str, typer.Option(help="Submissions for an agent with the same key create one run.")
    ] = ""
    image: Annotated[str, typer.Option("--workload-image", help="Runner image.")] = ""
    cpu: Annotated[str, typer.Option(help="CPU request of the runner, such as 500m.")] = ""
    memory: Annotated[str, typer.Option(help="Memory request of the runner, such as 1Gi.")] = ""
    memory_ref: Annotated[str, typer.Option(help="Memory object that the run uses.")] = ""
    vcs: Annotated[str, typer.Option(help="VersionControlProvider for the run's repository.")] = ""
    vcs_mode: Annotated[
        VcsMode | None,
        typer.Option(help="Repository access of the run."),
    ] = None
    is_vcs_required: Annotated[
        bool, typer.Option("--vcs-required", help="Fail the run if the repository is unavailable.")
    ] = False
    secrets: Annotated[
        list[str] | None,
        typer.Option(
            "--secret", help="Secret to expose as environment variables. May be repeated."
        ),
    ] = None
    priority: Annotated[
        int | None, typer.Option(help="Queued runs with a higher priority start first.")
    ] = None
    name: Annotated[
        str,
        typer.Option(help="Name of the run. \\[default: derived from the key, or generated]"),
    ] = ""
