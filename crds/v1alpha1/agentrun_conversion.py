"""AgentRun v1alpha1 <-> v1beta1 (rows 6 to 21 of the field table)."""

from typing import Final

from crds.v1alpha1 import conversion_parts, implementationspec_conversion
from crds.v1beta1 import core
from schemagen import Model
from schemagen.problems import JSON
from schemagen.versions import shape, steps

TEMPLATE: Final = "agents.proompteng.ai/template"
RETAIN: Final = "agents.proompteng.ai/retain"
# What v1alpha1 controllers take for yes in the retain annotation, in any case.
TRUTHY: Final = frozenset({"1", "true", "yes", "y", "on", "keep", "forever"})

RUNTIMES: Final = {"job": "Job", "workflow": "Workflow", "temporal": "Temporal", "custom": "Custom"}
VCS_MODE = steps.enumeration({"read-write": "ReadWrite", "read-only": "ReadOnly", "none": "None"})
STOP_OR_FAIL = steps.enumeration({"stop": "Stop", "fail": "Fail"})
COUNT = steps.integer(least=0)


def _model_value(model: type[Model]) -> steps.Step:
    """Free-form values that the typed field of the newer version holds as they are."""
    return steps.when(lambda value: shape.holds(model, value))


def _model_list(model: type[Model]) -> steps.Step:
    def holds(value: JSON) -> bool:
        return isinstance(value, list) and all(shape.holds(model, item) for item in value)

    return steps.when(holds)


# --- implementation (row 6): specRef and inline are one union ---------------------------------

# With both, v1alpha1 controllers take the inline one.
IMPLEMENTATION = steps.FirstOf(
    (
        steps.move(
            "implementation.inline", "implementation.inline", implementationspec_conversion.SPEC
        ),
        steps.move("implementationSpecRef", "implementation.specRef"),
    )
)

# --- workload (rows 13, 14) -------------------------------------------------------------------

VOLUME = steps.record(
    steps.keep("name", "mountPath", "readOnly"),
    steps.flat_union(
        "type",
        emptyDir=(
            "emptyDir",
            steps.record(
                steps.same_name("sizeLimit", conversion_parts.QUANTITY), steps.keep("medium")
            ),
        ),
        pvc=("persistentVolumeClaim", steps.record(steps.keep("claimName"))),
        secret=("secret", steps.record(steps.keep("secretName"))),
    ),
)

WORKLOAD = steps.record(
    steps.keep("image"),
    steps.same_name("resources", conversion_parts.RESOURCES),
    steps.same_name("volumes", steps.each_by("name", VOLUME)),
)

# --- steps (rows 9, 10, 11) -------------------------------------------------------------------

PARAMETERS = steps.map_to_list("name", "value")

LOOP = steps.record(
    steps.keep("maxIterations"),
    steps.move(
        "condition",
        "while",
        steps.record(
            steps.Constant("type", "cel"),
            steps.move("expression", "cel"),
            steps.move(
                "source",
                "control",
                steps.record(
                    steps.Constant("type", "file"),
                    steps.keep("path"),
                    steps.same_name("onMissing", STOP_OR_FAIL),
                    steps.same_name("onInvalid", STOP_OR_FAIL),
                ),
            ),
        ),
    ),
    steps.same_name(
        "state",
        steps.record(steps.move("required", "persistent"), steps.move("volumeNames", "volumes")),
    ),
)

WORKFLOW_STEP = steps.record(
    steps.keep("name"),
    IMPLEMENTATION,
    steps.same_name("workload", WORKLOAD),
    steps.same_name("parameters", PARAMETERS),
    steps.move("retries", "retry.limit", COUNT),
    steps.move("retryBackoffSeconds", "retry.backoff.base", conversion_parts.SECONDS),
    steps.move("timeoutSeconds", "timeout", conversion_parts.SECONDS),
    steps.same_name("loop", LOOP),
)
WORKFLOW_STEPS = steps.each_by("name", WORKFLOW_STEP)

# --- runtime (rows 7, 8): free-form settings become typed ones ----------------------------------

TIMEOUTS = steps.exact(
    steps.record(
        steps.move("workflowExecutionTimeoutMs", "execution", conversion_parts.MILLISECONDS),
        steps.move("workflowRunTimeoutMs", "run", conversion_parts.MILLISECONDS),
        steps.move("workflowTaskTimeoutMs", "task", conversion_parts.MILLISECONDS),
    )
)
PULL_SECRETS = steps.Fn(
    # v1alpha1 takes names and {name}; what is written back is {name}.
    lambda value: (
        steps.each_by("name", steps.exact(steps.record(steps.keep("name")))).up(
            [{"name": item} if type(item) is str else item for item in value]
        )
        if type(value) is list
        else steps.ABSENT
    ),
    steps.each(steps.record(steps.keep("name"))).down,
)
SETTINGS = (
    steps.move("serviceAccountName", "podTemplate.serviceAccountName", steps.text()),
    steps.move("serviceAccount", "podTemplate.serviceAccountName", steps.one_way(steps.text())),
    steps.move("nodeSelector", "podTemplate.nodeSelector", steps.exact(steps.values(steps.text()))),
    steps.move("tolerations", "podTemplate.tolerations", _model_list(core.Toleration)),
    steps.move("affinity", "podTemplate.affinity", _model_value(core.Affinity)),
    steps.move(
        "topologySpreadConstraints",
        "podTemplate.topologySpreadConstraints",
        _model_list(core.TopologySpreadConstraint),
    ),
    steps.move(
        "podSecurityContext",
        "podTemplate.securityContext",
        _model_value(core.PodSecurityContext),
    ),
    steps.move("priorityClassName", "podTemplate.priorityClassName", steps.text()),
    steps.move("schedulerName", "podTemplate.schedulerName", steps.text()),
    steps.move("imagePullSecrets", "podTemplate.imagePullSecrets", PULL_SECRETS),
    steps.move("resources", "podTemplate.resources", _model_value(core.ResourceRequirements)),
    steps.move("ttlSecondsAfterFinished", "jobTTL", steps.numeric(conversion_parts.SECONDS)),
    steps.move("logRetentionSeconds", "logRetention", steps.numeric(conversion_parts.SECONDS)),
    steps.move("backoffLimit", "backoffLimit", steps.numeric(COUNT)),
)
# Settings that only one runtime reads; under another they are extraConfig.
ARM_SETTINGS: Final = {
    "temporal": (
        steps.move("workflowType", "temporal.workflowType", steps.text()),
        steps.move("taskQueue", "temporal.taskQueue", steps.text()),
        steps.move("namespace", "temporal.namespace", steps.text()),
        steps.move("workflowId", "temporal.workflowId", steps.text()),
        steps.move("timeouts", "temporal.timeouts", TIMEOUTS),
    ),
    "custom": (
        steps.move("endpoint", "custom.endpoint", steps.text()),
        steps.move("payload", "custom.payload", steps.typed(dict)),
    ),
}
CONFIGS: Final = {
    runtime: steps.sealed_record((*SETTINGS, *ARM_SETTINGS.get(runtime, ())), extra="extraConfig")
    for runtime in RUNTIMES
}
TYPE = steps.enumeration(RUNTIMES)
WORKFLOW = steps.move(
    "workflow",
    "runtime.workflow",
    steps.record(
        # v1alpha1 runs steps one after the other: that is what it means by saying nothing.
        steps.Implied("parallelism", 1),
        steps.same_name("steps", WORKFLOW_STEPS),
    ),
)
RUNTIME = steps.Tagged(
    steps.move("runtime.type", "runtime.type", TYPE),
    {
        runtime: (
            steps.Spread(("runtime", "config"), ("runtime",), config),
            *((WORKFLOW,) if runtime == "workflow" else ()),
        )
        for runtime, config in CONFIGS.items()
    },
)

# --- retention (row 17): 0 seconds meant for ever -----------------------------------------------

RETENTION = steps.Sentinel(
    steps.move("ttlSecondsAfterFinished", "retention.ttl", steps.to_duration(least=1)),
    old=0,
    place=("retention", "keepForever"),
    new=True,
)

SPEC = steps.record(
    steps.keep("agentRef", "goal", "memoryRef", "idempotencyKey"),
    IMPLEMENTATION,
    RUNTIME,
    RETENTION,
    steps.same_name("workload", WORKLOAD),
    steps.same_name("parameters", PARAMETERS),
    steps.move("secrets", "secretRefs", steps.wrap("name")),
    steps.move("vcsRef", "vcs.providerRef"),
    steps.move("vcsPolicy.mode", "vcs.mode", VCS_MODE),
    steps.move("vcsPolicy.required", "vcs.required"),
)

# --- status (rows 19 to 21) ---------------------------------------------------------------------

PHASE = steps.OpenWords(
    "phase",
    words=frozenset(
        {"Pending", "Running", "Succeeded", "Failed", "Cancelled", "Template", "Unknown"}
    ),
    other="Unknown",
    detail="phaseDetail",
)
JOB_TIMES = (steps.move("startedAt", "startTime"), steps.move("finishedAt", "completionTime"))

RUNTIME_REF = steps.open_record(
    (
        *(
            steps.move(name, name, steps.text())
            for name in (
                *("name", "namespace", "uid", "workflowId"),
                *("runId", "taskQueue", "runName", "stepName"),
            )
        ),
        steps.move("type", "type", TYPE),
        steps.move("jobObservedAt", "observedTime", steps.text()),
    ),
    extra="extra",
)
RUNNER = steps.open_record(
    (
        *(
            steps.move(name, name, steps.text())
            for name in ("signal", "provider", "adapter", "error")
        ),
        steps.move(
            "status",
            "status",
            steps.enumeration(
                {"succeeded": "Succeeded", "failed": "Failed", "cancelled": "Cancelled"}
            ),
        ),
        steps.move("exitCode", "exitCode", steps.integer()),
        steps.move("startedAt", "startTime", steps.text()),
        steps.move("finishedAt", "completionTime", steps.text()),
    ),
    extra="extra",
)
ITERATION = steps.record(steps.keep("index", "phase", "attempts", "message", "jobRef"), JOB_TIMES)
LOOP_STATUS = steps.record(
    steps.keep("currentIteration", "completedIterations", "maxIterations", "stopReason"),
    steps.keep("retainedIterations", "prunedIterations", "lastControl"),
    steps.same_name("iterations", steps.each(ITERATION)),
)
STEP_STATUS = steps.record(
    steps.keep("name", "phase", "attempt", "lastTransitionTime", "message", "jobRef"),
    JOB_TIMES,
    steps.move("jobObservedAt", "jobObservedTime"),
    steps.move("nextRetryAt", "nextRetryTime"),
    steps.same_name("loop", LOOP_STATUS),
)
STATUS = conversion_parts.status(
    steps.keep("reason", "message", "artifacts", "systemPromptHash", "specHash"),
    PHASE,
    JOB_TIMES,
    steps.same_name("runtimeRef", RUNTIME_REF),
    steps.same_name("runner", RUNNER),
    steps.same_name(
        "workflow",
        steps.record(
            steps.keep("phase", "lastTransitionTime"),
            steps.same_name("steps", steps.each(STEP_STATUS)),
        ),
    ),
    steps.same_name(
        "vcs",
        steps.record(
            steps.keep("provider", "repository", "baseBranch", "headBranch"),
            steps.same_name("mode", VCS_MODE),
        ),
    ),
    steps.same_name(
        "contract",
        steps.record(
            steps.move("requiredKeys", "requiredParameters"),
            steps.move("missingKeys", "missingParameters"),
        ),
    ),
)

# --- the object: two annotations become fields (row 18) -----------------------------------------


def _without(metadata: JSON, name: str) -> JSON:
    """The metadata without one annotation, and without an emptied map of them."""
    rest = {key: text for key, text in metadata["annotations"].items() if key != name}
    others = {key: item for key, item in metadata.items() if key != "annotations"}
    return {**others, "annotations": rest} if rest else others


def _annotations_up(old: dict[str, JSON], new: dict[str, JSON]) -> None:
    spec = new.get("spec")
    if type(spec) is not dict:
        return
    if steps.get(old, ("metadata", "annotations", TEMPLATE)) == "true":
        new["metadata"] = _without(new["metadata"], TEMPLATE)
        spec["purpose"] = "Template"
    retain = steps.get(old, ("metadata", "annotations", RETAIN))
    if type(retain) is str and retain.lower() in TRUTHY:
        new["metadata"] = _without(new["metadata"], RETAIN)
        spec["retention"] = {"keepForever": True}


def _annotations_down(new: dict[str, JSON], old: dict[str, JSON]) -> None:
    if steps.get(new, ("spec", "purpose")) != "Template":
        return
    metadata = old.get("metadata")
    metadata = metadata if type(metadata) is dict else {}
    annotations = metadata.get("annotations")
    old["metadata"] = {
        **metadata,
        "annotations": {**(annotations if type(annotations) is dict else {}), TEMPLATE: "true"},
    }


# The parts run in this order upwards and in the reverse one downwards, so the annotations see the
# finished spec going up and the finished metadata coming down.
CONVERSION = steps.Conversion(
    steps.record(
        steps.PartFn(down=_annotations_down, annotations=(TEMPLATE, RETAIN)),
        conversion_parts.members(SPEC, STATUS),
        steps.PartFn(up=_annotations_up, annotations=(TEMPLATE, RETAIN)),
    ),
    unordered_paths=("spec.parameters", "spec.runtime.workflow.steps.[].parameters"),
)
