"""The API server's validation as a Python object: CRDs and objects in, verdicts out.

JudgeError
├── JudgeMissingError    the WebAssembly module is neither in the package nor built
└── JudgeTimeoutError    a verdict took longer than allowed
"""

import dataclasses
import json
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

import orjson

from schemagen import canonical
from schemagen.judge import minors, module
from schemagen.problems import JSON, Cause, UserError

DEADLINE_SECONDS = 10.0
_TICK_SECONDS = 0.05

# The default collects at every doubling of a small heap, which takes a fifth of the time.
_GARBAGE_COLLECTION = [("GOGC", "400"), ("GOMEMLIMIT", "64MiB")]

# The API server accepts 10,000 levels. This is wasmtime's maximum; half a mebibyte, the default,
# suffices for 2,500 levels.
_STACK_BYTES = 2 * 1024 * 1024

# Prefix of a Go panic in validation. kube-apiserver 1.37 has some: a CRD with selectableFields in a
# version without a schema.
_PANIC = "runtime error: "

# Numbered as in main.go.
_OPERATIONS = ("create", "update", "status")


class JudgeError(UserError):
    """The judge failed to give a verdict."""


class JudgeMissingError(JudgeError):
    """No judge is available; the message says how to get it."""


class JudgeTimeoutError(JudgeError):
    """A verdict exceeded its time limit."""


@dataclasses.dataclass(frozen=True)
class Cost:
    """The API server's worst-case estimate of a rule's cost; it refuses a CRD over ``limit``.

    Attributes:
        version: The version of the CRD.
        path: The rule's place in the schema: ``spec.steps.[].name``.
        rule: The rule's expression.
        cost: In CEL cost units, for all evaluations on one object.
        limit: 10,000,000 for one rule (apiextensions-apiserver, StaticEstimatedCostLimit).
    """

    version: str
    path: str
    rule: str
    cost: int
    limit: int


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The API server's response.

    Attributes:
        allowed: Whether it would accept the object.
        code: The HTTP status of a refusal: 400 if it cannot be decoded, 422 if it is invalid.
        message: The API server's message.
        causes: Every reason, with its field.
        warnings: Its warnings, whether or not it accepts the object; untruncated, whereas the API
            server truncates at 4096 characters.
        object: The object as it would be stored, if requested.
        costs: Costs of a CRD's rules, if requested.
        dropped: Fields of a CRD that are dropped without a word, as their feature is disabled by
            default in this minor version.
    """

    allowed: bool
    code: int = 200
    message: str = ""
    causes: tuple[Cause, ...] = ()
    warnings: tuple[str, ...] = ()
    object: JSON = None
    costs: tuple[Cost, ...] = ()
    dropped: tuple[str, ...] = ()

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """Parse the verdict in a response of the module."""
        return cls(
            allowed=answer["allowed"],
            code=answer.get("code", 200),
            message=answer.get("message", ""),
            causes=tuple(Cause(**cause) for cause in answer.get("causes", ())),
            warnings=tuple(answer.get("warnings", ())),
            object=answer.get("object"),
            costs=tuple(Cost(**cost) for cost in answer.get("costs") or ()),
            dropped=tuple(answer.get("dropped") or ()),
        )


@dataclasses.dataclass(frozen=True)
class Reading:
    """Result of kubectl's own YAML parser.

    Attributes:
        documents: What it would send to the API server; empty documents are dropped.
        problem: The error that stopped parsing; empty at the end of the text.
    """

    documents: tuple[JSON, ...]
    problem: str = ""


class Judge:
    """kube-apiserver's validation of custom resources, in this process.

    ``with Judge() as judge:``. It needs no cluster, network or files, and has no access to them.
    Use from one thread at a time.
    """

    def __init__(
        self,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        tell: Callable[[str], None] | None = None,
        minor: minors.Minor | None = None,
    ) -> None:
        """Prepare a judge; the first call loads it, in 50 ms once compiled.

        Args:
            deadline_seconds: Time limit for one verdict.
            tell: Receives the notice that it is being compiled, the first time on a machine; None
                prints it to standard error.
            minor: An older minor version of Kubernetes, which judges CRDs and their objects only;
                None for the newest.
        """
        self._minor = minor
        self._ticks = max(1, round(deadline_seconds / _TICK_SECONDS))
        self._deadline_seconds = deadline_seconds
        self._tell = tell or _to_standard_error
        self._instance: _Instance | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Free all resources; the next call loads it again."""
        if self._instance is not None:
            self._instance.close()
        self._instance = None

    def check(self, crd: JSON, *, strict: bool = True, costs: bool = False) -> Verdict:
        """Validate the creation of a CustomResourceDefinition, optionally with rule costs."""
        handle, answer = self._ask("load", canonical.dumps(crd), strict, costs)
        if handle >= 0:
            self._ask_nothing("unload", handle)
        return Verdict.of(answer)

    def check_update(self, crd: JSON, old: JSON, *, strict: bool = True) -> Verdict:
        """Validate the update of a CustomResourceDefinition in a cluster.

        Unchanged errors are accepted; a name may not change, and a version in which objects are
        stored may not be removed.

        Args:
            crd: The new one.
            old: The one in the cluster. Its status names the stored versions; without a status it
                counts as established, with only its storage version stored.
            strict: As for objects.
        """
        _, answer = self._ask("change", canonical.dumps(crd), canonical.dumps(old), strict)
        return Verdict.of(answer)

    def check_registration(self, configuration: JSON, *, strict: bool = True) -> Verdict:
        """Validate the creation of a v1 configuration of admission webhooks.

        Args:
            configuration: A ``MutatingWebhookConfiguration``; anything else is validated as a
                ``ValidatingWebhookConfiguration``.
            strict: As for objects.
        """
        is_mutating = configuration.get("kind") == "MutatingWebhookConfiguration"
        _, answer = self._ask(
            "check_registration", canonical.dumps(configuration), is_mutating, strict
        )
        return Verdict.of(answer)

    def decide_condition(self, expression: str, request: JSON = None) -> bool | None:
        """Return a match condition's result if the same for any object; None if it depends on it.

        Args:
            expression: In CEL, as the ``expression`` of one of a webhook's ``matchConditions``.
            request: Known fields of the AdmissionRequest; without it, the condition is evaluated by
                itself. A missing field counts as absent.
        """
        _, answer = self._ask("decide_condition", expression.encode(), canonical.dumps(request))
        value: bool | None = answer.get("value")
        return value

    def load(self, crd: JSON) -> "Loaded":
        """Load a CustomResourceDefinition to validate objects against.

        Raises:
            JudgeError: with the API server's message, if it refuses the CRD.
        """
        return Loaded(self, canonical.dumps(crd))

    def read_manifest(self, content: bytes) -> Reading:
        """Parse YAML or JSON as kubectl does: documents up to the first broken one.

        Use ``schemagen.yaml`` instead; this one serves as its reference.
        """
        return self._reading("read_manifest", content)

    def read_document(self, content: bytes, *, strict: bool = False) -> Reading:
        """Parse one YAML document (sigs.k8s.io/yaml); strict refuses duplicate keys."""
        return self._reading("read_document", content, strict)

    def _reading(self, name: str, *arguments: bytes | int) -> Reading:
        _, answer = self._ask(name, *arguments)
        if "documents" not in answer:  # it panicked
            return Reading((), answer["message"])
        return Reading(tuple(map(json.loads, answer["documents"])), answer.get("error", ""))

    def _ask(self, name: str, *arguments: bytes | int) -> tuple[Any, JSON]:
        """Call a function of the module; return its result and its response."""
        instance = self._opened()
        try:
            returned, answer = instance.call(name, *arguments, ticks=self._ticks)
        except _InterruptedError as error:
            self.close()
            if "call stack exhausted" in str(error.__cause__):
                raise JudgeError(
                    "expected fields nested at most some thousand levels deep, got more"
                ) from error
            raise JudgeTimeoutError(
                f"expected a verdict within {self._deadline_seconds} s, got none; set "
                "Judge(deadline_seconds=...) or use a smaller object"
            ) from error
        fault = answer.get("fault", "")
        if fault.startswith(_PANIC):
            message = (
                f"the API server's own validation panics on this ({fault}): kube-apiserver closes "
                "the connection without an answer; correct what is missing or malformed"
            )
            return returned, {"allowed": False, "code": 500, "message": message}
        if fault:
            raise JudgeError(f"the judge failed, which is a bug in it: {fault}")
        return returned, answer

    def _ask_nothing(self, name: str, *arguments: int) -> None:
        if self._instance is not None:
            self._instance.run(name, *arguments)

    def _opened(self) -> "_Instance":
        if self._instance is None:
            self._instance = _Instance(self._tell, self._minor)
        return self._instance


def _to_standard_error(line: str) -> None:
    sys.stderr.write(f"{line}\n")


class Loaded:
    """A loaded CRD; ``close`` frees it, as does the judge's own ``close``."""

    def __init__(self, judge: Judge, crd: bytes) -> None:
        self._judge, self._crd = judge, crd
        self._handle = -1
        self._owner: _Instance | None = None
        self._current()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the CRD."""
        if self._owner is not None and self._owner is self._judge._instance:  # noqa: SLF001 - ours
            self._judge._ask_nothing("unload", self._handle)  # noqa: SLF001 - ours
        self._owner = None

    def create(self, value: JSON, *, strict: bool = True, stored: bool = False) -> Verdict:
        """Validate the creation of an object.

        Args:
            value: The object, in any served version of the CRD.
            strict: Whether unknown and duplicate fields are refused, as kubectl requests; otherwise
                they cause warnings, the API server's default.
            stored: Whether to return the object with its defaults, pruned.
        """
        return self._verdict("create", value, b"", strict=strict, stored=stored)

    def update(
        self,
        value: JSON,
        old: JSON,
        *,
        strict: bool = True,
        stored: bool = False,
    ) -> Verdict:
        """Validate an update: unchanged errors are accepted (ratcheting).

        The old object must be of the same version. Conflicts by resourceVersion are left to the
        cluster.
        """
        return self._verdict("update", value, canonical.dumps(old), strict=strict, stored=stored)

    def update_status(
        self,
        value: JSON,
        old: JSON,
        *,
        strict: bool = True,
        stored: bool = False,
    ) -> Verdict:
        """Validate an update through the status subresource."""
        return self._verdict("status", value, canonical.dumps(old), strict=strict, stored=stored)

    def _verdict(
        self,
        operation: Literal["create", "update", "status"],
        value: JSON,
        old: bytes,
        *,
        strict: bool,
        stored: bool,
    ) -> Verdict:
        _, answer = self._judge._ask(  # noqa: SLF001 - ours
            "judge",
            self._current(),
            _OPERATIONS.index(operation),
            canonical.dumps(value),
            old,
            strict,
            stored,
        )
        return Verdict.of(answer)

    def _current(self) -> int:
        """Return the CRD's handle, reloading it if the judge was restarted."""
        judge = self._judge
        if self._owner is None or self._owner is not judge._instance:  # noqa: SLF001 - ours
            is_strict, has_costs = 1, 0
            self._handle, answer = judge._ask("load", self._crd, is_strict, has_costs)  # noqa: SLF001 - ours
            if self._handle < 0:
                raise JudgeError(answer["message"])
            self._owner = judge._instance  # noqa: SLF001 - ours
        return self._handle


def _address(pointer: int) -> int:
    """Return the address: a WebAssembly i32 is signed, so addresses above 2 GiB are negative."""
    return pointer & 0xFFFFFFFF


class _InterruptedError(Exception):
    """The module was interrupted in a call and cannot be used any more."""


def _missing(minor: minors.Minor | None) -> JudgeMissingError:
    if minor is not None:
        return JudgeMissingError(
            f"expected the judge of Kubernetes {minor} at {module.built_path(minor=minor)}, got "
            f"none; `schemagen check --kubernetes {minor}` builds it"
        )
    return JudgeMissingError(
        f"expected the judge at {module.SOURCE / module.NAME} or {module.built_path()}, got none; "
        "run `make judge` in a source tree, or install a wheel, which includes it"
    )


class _Instance:
    """A running instance of the module, and the timer that can interrupt it."""

    def __init__(self, report: Callable[[str], None], minor: minors.Minor | None) -> None:
        import wasmtime  # noqa: PLC0415 - 0.1 s that only judging needs

        path = module.find(minor=minor)
        if path is None:
            raise _missing(minor)
        config = wasmtime.Config()
        config.epoch_interruption = True
        config.max_wasm_stack = _STACK_BYTES
        self._engine = wasmtime.Engine(config)
        compiled = module.compiled(self._engine, path, report, minor)
        linker = wasmtime.Linker(self._engine)
        linker.define_wasi()
        self._store = wasmtime.Store(self._engine)
        wasi = wasmtime.WasiConfig()
        wasi.argv = ["judge"]  # klog reads argv[0] at start
        wasi.env = _GARBAGE_COLLECTION
        self._store.set_wasi(wasi)
        self._store.set_epoch_deadline(2**30)
        self._exports: Any = linker.instantiate(self._store, compiled).exports(self._store)
        self._trap: tuple[type[BaseException], ...] = (wasmtime.Trap, wasmtime.WasmtimeError)
        self.run("_initialize")
        self._stopped = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True, name="judge clock")
        self._clock.start()

    def close(self) -> None:
        self._stopped.set()
        self._clock.join()

    def run(self, name: str, *arguments: int) -> Any:
        return self._exports[name](self._store, *arguments)

    def call(self, name: str, *arguments: bytes | int, ticks: int) -> tuple[Any, JSON]:
        """Call a function with integers and with bytes, which are copied to its memory."""
        self._store.set_epoch_deadline(ticks)
        try:
            returned = self.run(name, *(self._handed_over(argument) for argument in arguments))
        except self._trap as error:
            raise _InterruptedError from error
        finally:
            self._store.set_epoch_deadline(2**30)
        start, size = _address(self.run("result_ptr")), self.run("result_len")
        return returned, orjson.loads(self._memory.read(self._store, start, start + size))

    def _handed_over(self, argument: bytes | int) -> int:
        if isinstance(argument, int):
            return argument
        pointer = _address(self.run("alloc", len(argument)))
        self._memory.write(self._store, argument, pointer)
        return pointer

    @property
    def _memory(self) -> Any:
        return self._exports["memory"]

    def _tick(self) -> None:
        while not self._stopped.wait(_TICK_SECONDS):
            self._engine.increment_epoch()
