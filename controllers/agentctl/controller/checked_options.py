"""The options of ``agentctl controller``, checked, as those of its manager and runtimes. Pure."""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from controllers import kube, ledger, manager
from controllers.agentctl.controller import runtimes
from controllers.agentctl.controller.controller_options import ALL, ControllerOptions
from controllers.agentctl.exits import CommandError
from controllers.runs.retention.archive import FileArchive
from controllers.runs.runtimes import temporal_settings
from crds.admission.settings import Settings


def manager_options(given: ControllerOptions, settings: Callable[[], Settings]) -> manager.Options:
    """Return the manager's options.

    Args:
        given: The options as given.
        settings: Returns the current settings of the operator's file.

    Raises:
        CommandError: An option is invalid.
    """
    try:
        return manager.Options(
            home=given.home,
            namespace=None if given.namespace == ALL else given.namespace,
            limits=ledger.Limits(given.limit_namespace, given.limit_agent, given.limit_cluster),
            workers=given.workers,
            timing=kube.Timing(given.lease_seconds, given.renew_seconds, given.retry_seconds),
            settings=settings,
            archive=FileArchive(given.archive) if given.archive else None,
            no_archive=given.no_archive,
            secrets=tuple(given.read_secret or ()),
            endpoints=tuple(given.allow_endpoint or ()),
            ingests=given.sources_port is not None,
        )
    except ValueError as error:
        raise CommandError(str(error)) from error


def runtime_options(
    given: ControllerOptions, workspaces: pathlib.Path, temporal: Mapping[str, Any]
) -> runtimes.Options:
    """Return the options of the runtimes.

    Args:
        given: The options as given.
        workspaces: Directory of local workspaces.
        temporal: Settings of Temporal in the operator's file.

    Raises:
        CommandError: The settings are invalid.
    """
    try:
        settings = temporal_settings.of({"temporal": temporal})
    except ValueError as error:
        raise CommandError(str(error)) from error
    return runtimes.Options(
        jobs=given.runtime,
        workspaces=workspaces,
        endpoints=tuple(given.allow_endpoint or ()),
        temporal=given.temporal,
        temporal_settings=settings,
    )
