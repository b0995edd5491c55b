"""The runtime ``Local``: runs the runner as a process of this machine, like a pod. Shell.

It serves ``runtime.type`` Job without nodes. The process has its own session and outlives the
controller; the next controller finds it by its folder (see ``workspaces``). File and process
operations run in threads.
"""

import asyncio
import dataclasses
import datetime as dt
import errno
import os
import pathlib
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias

from controllers import kube
from controllers.kube import clocks
from controllers.runs import json_access, naming
from controllers.runs.api_constants import Reason
from controllers.runs.runtimes import outcomes, reports
from controllers.runs.runtimes.base import (
    GRACE_SECONDS,
    JSON,
    Code,
    Key,
    Progress,
    Ref,
    Runtime,
    RuntimeFault,
    Stage,
    Work,
)
from controllers.runs.runtimes.jobs import api_faults, job_objects
from controllers.runs.runtimes.local import (
    container_environment,
    detached_processes,
    launch,
    workspaces,
)
from crds.admission import settings

REQUEUE_SECONDS: Final = 0.5

Resolve: TypeAlias = Callable[[str, str, str, str], Awaitable[bytes | None]]
"""Returns the value at namespace, kind (Secret or ConfigMap), name and key; None if missing."""
ResolveAll: TypeAlias = Callable[[str, str], Awaitable[Mapping[str, bytes] | None]]
"""Returns all values of the Secret at namespace and name; None if missing."""

_COMMAND: Final = (sys.executable, "-P", "-m", "controllers.runner")
# The only variables of ours passed to the runner: others may be secrets.
_PASSED_ON: Final = ("PATH", "HOME", "LANG", "TZ")
# No image is used here, but a Job requires the name of one.
_PODS: Final = settings.Pods(image="local")
_MAX_MESSAGE: Final = 640
# Conflicting paths, and environments over the system's limit.
_WRONG_PATHS: Final = frozenset(
    {errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.E2BIG}
)
_BURIED: Final = Progress(
    stage=Stage.CANCELLED,
    reason=Reason.JOB_MISSING,
    message="No process of the run exists, and none will be started.",
    code=Code.RETRYABLE,
)


class Local(Runtime):
    """Executes runs as processes of this machine.

    Args:
        root: Directory of the workspaces.
        command: The agent-runner; the provider's arguments are appended.
        resolve: Reads a key of a Secret or ConfigMap.
        resolve_all: Reads a Secret.
        on_change: Called with the key of work whose process has ended.
        grace_seconds: Between SIGTERM and SIGKILL.
        requeue_after_seconds: Polling interval of running work.
        now: The wall clock, shared by all controllers of a root.
        environment: The controller's environment.
    """

    type = "Job"
    is_collected = False
    is_external = False

    def __init__(
        self,
        root: pathlib.Path,
        *,
        command: Sequence[str] = _COMMAND,
        resolve: Resolve | None = None,
        resolve_all: ResolveAll | None = None,
        on_change: Callable[[Key], None] | None = None,
        grace_seconds: float = GRACE_SECONDS,
        requeue_after_seconds: float = REQUEUE_SECONDS,
        now: Callable[[], dt.datetime] = clocks.utc_now,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._root, self._command = root.absolute(), tuple(command)
        self._resolve, self._resolve_all = resolve, resolve_all
        self._on_change = on_change or (lambda _: None)
        self._grace = dt.timedelta(seconds=grace_seconds)
        self._poll_seconds, self._now = requeue_after_seconds, now
        self._environment = environment
        # Children of this process, with their exit codes once they have ended.
        self._children: dict[int, int | None] = {}
        self._watched: dict[Key, int] = {}

    async def close(self) -> None:
        """Stop watching processes; they keep running."""
        for key in [*self._watched]:
            self._forget(key)

    def ref(self, key: Key, work: Work) -> Ref:
        """Return the name of the folder, which is that of the Job."""
        name = naming.of_key(key)
        return Ref(type=self.type, key=key, work=work, name=name, namespace=work.namespace)

    async def submit(self, key: Key, work: Work) -> Ref:
        """Create the folder and start the runner, or find them."""
        ref = self.ref(key, work)
        place = self._place(ref)
        if await asyncio.to_thread(_is_decided, place):
            return ref
        described = dataclasses.replace(work, pods=_PODS)
        surroundings = container_environment.surroundings(
            job_objects.job(key, described), job_objects.config_map(key, described)
        )
        contents = dataclasses.replace(
            await self._contents(work.namespace, surroundings),
            kept_seconds=json_access.seconds(json_access.at(work.spec, "runtime", "logRetention")),
        )
        try:
            shared = str(await asyncio.to_thread(place.shared, surroundings.workspace) or "")
        except OSError as error:
            raise _fault(error) from error
        variables = await self._variables(work.namespace, surroundings, place, shared)
        args = [
            container_environment.here(
                container_environment.expanded(arg, variables), str(place.workspace), shared
            )
            for arg in surroundings.args
        ]
        try:
            await asyncio.to_thread(place.make, contents)
            await asyncio.to_thread(self._start, place, (*self._command, *args), variables)
        except (OSError, ValueError) as error:
            raise _fault(error) from error
        await self._watch(ref, place)
        return ref

    async def status(self, ref: Ref) -> Progress:
        """Return the progress from the process, or after its end from its runner's report."""
        place = self._place(ref)
        try:
            progress = await asyncio.to_thread(self._look, place)
        except OSError as error:
            raise _fault(error) from error
        if progress.requeue_after_seconds is not None:
            await self._watch(ref, place)
        return progress

    async def cancel(self, ref: Ref) -> None:
        """Send SIGTERM to the runner; ``status`` sends SIGKILL after the grace period."""
        try:
            await asyncio.to_thread(self._end, self._place(ref))
        except OSError as error:
            raise _fault(error) from error

    async def sweep(self, limits: workspaces.Limits | None = None) -> int:
        """Delete folders of work that ended long ago, or beyond the limits; return how many.

        Raises:
            RuntimeFault: Not all could be checked, but the rest was swept: sweep again.
        """
        try:
            return await asyncio.to_thread(self._sweep, limits or workspaces.Limits())
        except OSError as error:
            raise _fault(error) from error

    def _place(self, ref: Ref) -> workspaces.Place:
        return workspaces.place(self._root, ref.namespace, ref.name)

    # ---------------------------------------------------------------------- in threads

    def _start(
        self, place: workspaces.Place, command: Sequence[str], variables: Mapping[str, str]
    ) -> None:
        """Start a launcher, which does nothing if another was faster."""
        pid = detached_processes.spawn(place.path, command, variables)
        started = place.started()
        if started is not None and started.pid == pid:
            self._children[pid] = None
        elif started is not None:
            detached_processes.wait(pid)
        else:
            detached_processes.reap(pid)
            raise RuntimeFault(
                Code.RETRYABLE, "expected the launcher to start the runner, got no started.json"
            )

    def _look(self, place: workspaces.Place) -> Progress:
        started, cancelled = place.started(), place.cancelled()
        if started is None:
            return _BURIED if cancelled else Progress(stage=Stage.MISSING)
        if place.ended() is None and not self._has_settled(place, started, cancelled):
            return Progress(
                stage=Stage.CANCELLING if cancelled else Stage.RUNNING,
                started=started.at,
                requeue_after_seconds=self._poll_seconds,
            )
        ended = place.ended() or workspaces.Ended(self._now())
        return _ended(started, ended, place.report(), is_cancelled=cancelled is not None)

    def _has_settled(
        self,
        place: workspaces.Place,
        started: workspaces.Started,
        cancelled: dt.datetime | None,
    ) -> bool:
        """Return whether nothing runs any more, killing processes after the grace period."""
        if detached_processes.is_alive(started.pid, started.stamp):
            if cancelled and self._now() - cancelled >= self._grace:
                detached_processes.kill(started.pid, place.workspace)
            return False
        code = self._exit_code(started.pid)
        # As in a pod, the end of the first process ends all others.
        if detached_processes.kill_leftovers(place.workspace):
            return False
        place.settle(workspaces.Ended(self._now(), code))
        self._children.pop(started.pid, None)
        return True

    def _exit_code(self, pid: int) -> int | None:
        """Return the exit code of an ended child; None for other processes."""
        code = detached_processes.reap(pid) if pid in self._children else None
        if code is not None:
            self._children[pid] = code
        return self._children.get(pid)

    def _end(self, place: workspaces.Place) -> None:
        started = place.started()
        if started is not None and self._look(place).stage.is_ended:
            return
        place.bury(self._now())
        started = place.started()
        if started is not None and detached_processes.is_alive(started.pid, started.stamp):
            detached_processes.tell_to_end(started.pid)

    def _sweep(self, limits: workspaces.Limits) -> int:
        places, errors = workspaces.places(self._root), list[OSError]()
        for place in places:
            # On a full disk the outcome cannot be recorded, but deletion makes room.
            try:
                self._look(place)
            except OSError as error:
                errors.append(error)
        chosen = workspaces.to_delete([each.entry() for each in places], self._now(), limits)
        for entry in chosen:
            workspaces.delete(entry.path)
        workspaces.delete_debris(self._root, self._now() - limits.least_age)
        if errors:
            raise errors[0]
        return len(chosen)

    # ------------------------------------------------------------------- in the event loop

    async def _contents(
        self, namespace: str, surroundings: container_environment.Surroundings
    ) -> workspaces.Contents:
        """Resolve the contents of files, including those from Secrets and ConfigMaps."""
        files = {}
        for path, given in surroundings.files.items():
            value = await self._value(namespace, given)
            if value is not None:
                files[path] = value
        for path, name in surroundings.secret_folders.items():
            values = await self._all(namespace, name)
            files |= {f"{path}/{key}": value for key, value in values.items()}
        return workspaces.Contents(
            files=files,
            folders=surroundings.folders,
            claims=surroundings.claims,
            workspace=surroundings.workspace,
        )

    async def _variables(
        self,
        namespace: str,
        surroundings: container_environment.Surroundings,
        place: workspaces.Place,
        shared: str,
    ) -> dict[str, str]:
        """Build the runner's complete environment."""
        ours = {name: self._environment[name] for name in _PASSED_ON if name in self._environment}
        given: dict[str, str] = {}
        for name in surroundings.env_secrets:
            values = await self._all(namespace, name)
            given |= {key: _text(value, key) for key, value in values.items()}
        for name, source in surroundings.env:
            value = await self._value(namespace, source)
            if isinstance(source, str):
                given[name] = container_environment.expanded(source, given)
            elif value is not None:
                given[name] = _text(value, name)
        workspace = str(place.workspace)
        mapped = {
            name: container_environment.here(value, workspace, shared)
            for name, value in given.items()
        }
        if not shared:
            return {**ours, **mapped, "AGENT_WORKSPACE": workspace}
        own = {launch.RUNNER_FOLDER: f"{workspace}/.agent"}
        return {**ours, **mapped, "AGENT_WORKSPACE": shared, **own}

    async def _value(
        self, namespace: str, given: str | container_environment.Source
    ) -> bytes | None:
        if isinstance(given, str):
            return given.encode()
        try:
            value = self._resolve and await self._resolve(
                namespace, given.kind, given.name, given.key
            )
        except kube.KubeError as error:
            raise api_faults.fault(error) from error
        if value is None and not given.is_optional:
            raise _missing(f"key {given.key!r} in {given.kind} {namespace}/{given.name}")
        return value

    async def _all(self, namespace: str, name: str) -> Mapping[str, bytes]:
        try:
            values = self._resolve_all and await self._resolve_all(namespace, name)
        except kube.KubeError as error:
            raise api_faults.fault(error) from error
        if values is None:
            raise _missing(f"Secret {namespace}/{name}")
        return values

    async def _watch(self, ref: Ref, place: workspaces.Place) -> None:
        """Get notified when the process ends."""
        started = None if ref.key in self._watched else await asyncio.to_thread(place.started)
        if started is None or ref.key in self._watched:
            return
        descriptor = detached_processes.watch(started.pid, started.stamp)
        if descriptor is not None:
            self._watched[ref.key] = descriptor
            asyncio.get_running_loop().add_reader(descriptor, self._tell, ref.key)

    def _tell(self, key: Key) -> None:
        self._forget(key)
        self._on_change(key)

    def _forget(self, key: Key) -> None:
        descriptor = self._watched.pop(key)
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


def _is_decided(place: workspaces.Place) -> bool:
    """Return whether the work was started, or must not start."""
    return place.started() is not None or place.cancelled() is not None


def _ended(
    started: workspaces.Started,
    ended: workspaces.Ended,
    report: Mapping[str, JSON] | None,
    *,
    is_cancelled: bool,
) -> Progress:
    said, files = reports.runner(report) or {}, reports.files(report)
    end = outcomes.End(exit_code=ended.exit_code, message=ended.error)
    outcome = outcomes.of_process(end, said, is_cancelled=is_cancelled)
    message = files.note if outcome.stage is Stage.SUCCEEDED else outcome.message
    completed = said.get("completionTime")
    return Progress(
        stage=outcome.stage,
        reason=outcome.reason,
        message=message[:_MAX_MESSAGE],
        code=Code.TERMINAL if ended.error else outcome.code,
        started=started.at,
        ended=dt.datetime.fromisoformat(completed) if completed else ended.at,
        runner=report,
        artifacts=files.artifacts,
        missing_artifacts=files.missing,
        artifacts_omitted=files.omitted,
    )


def _text(value: bytes, name: str) -> str:
    """Return a variable's value; any bytes except NUL."""
    if b"\0" in value:
        raise RuntimeFault(Code.TERMINAL, f"expected no NUL in variable {name}, got one")
    return os.fsdecode(value)


def _missing(what: str) -> RuntimeFault:
    # Retry as a kubelet does: it may still be created.
    return RuntimeFault(Code.RETRYABLE, f"expected {what}, which does not exist yet")


def _fault(error: OSError | ValueError) -> RuntimeFault:
    """Translate an OS error; messages contain no paths of this machine."""
    if not isinstance(error, OSError):
        return RuntimeFault(Code.TERMINAL, "expected paths and variables without NUL, got one")
    is_hopeless = error.errno in _WRONG_PATHS
    said = error.strerror or type(error).__name__
    return RuntimeFault(
        Code.TERMINAL if is_hopeless else Code.RETRYABLE,
        f"could not use the run's directory: {said}",
    )
