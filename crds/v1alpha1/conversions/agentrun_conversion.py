"""AgentRun v1alpha1 <-> v1beta1 (rows 6 to 21 of the field table)."""

from typing import Final

from crds.v1alpha1.conversions import conversion_parts, implementationspec_conversion
from crds.v1beta1 import core
from schemagen import Model
from schemagen.problems import JSON
from schemagen.versions import records, schema_coverage, steps

TEMPLATE: Final = "agents.proompteng.ai/template"
RETAIN: Final = "agents.proompteng.ai/retain"
# Values that v1alpha1 controllers accept as true in the retain annotation, case-insensitive.
TRUTHY: Final = frozenset({"1", "true", "yes", "y", "on", "keep", "forever"})

RUNTIMES: Final = {"job": "Job", "workflow": "Workflow", "temporal": "Temporal", "custom": "Custom"}
VCS_MODE = steps.enumeration({"read-write": "ReadWrite", "read-only": "ReadOnly", "none": "None"})
STOP_OR_FAIL = steps.enumeration({"stop": "Stop", "fail": "Fail"})
COUNT = steps.integer(least=0)


def _model_value(model: type[Model]) -> steps.Step:
    """Return free-form values unchanged for the typed field of the newer version."""
    return steps.when(lambda value: schema_coverage.holds(model, value))


def _model_list(model: type[Model]) -> steps.Step:
    def holds(value: JSON) -> bool:
        return isinstance(value, list) and all(schema_coverage.holds(model, item) for item in value)

    return steps.when(holds)


# --- implementation (row 6): specRef and inline are one union ---------------------------------

# If both are set, v1alpha1 controllers use the inline task.
IMPLEMENTATION = records.FirstOf(
    (
        records.move(
            "implementation.inline", "implementation.inline", implementationspec_conversion.SPEC
        ),
        records.move("implementationSpecRef", "implementation.specRef"),
    )
)

# --- workload (rows 13, 14) -------------------------------------------------------------------

VOLUME = records.record(
    records.keep("name", "mountPath", "readOnly"),
    records.flat_union(
        "type",
        emptyDir=(
            "emptyDir",
            records.record(
                records.same_name("sizeLimit", conversion_parts.QUANTITY), records.keep("medium")
            ),
        ),
        pvc=("persistentVolumeClaim", records.record(records.keep("claimName"))),
        secret=("secret", records.record(records.keep("secretName"))),
    ),
)

WORKLOAD = records.record(
    records.keep("image"),
    records.same_name("resources", conversion_parts.RESOURCES),
    records.same_name("volumes", steps.each_by("name", VOLUME)),
)

# --- steps (rows 9, 10, 11) -------------------------------------------------------------------

PARAMETERS = steps.map_to_list("name", "value")

LOOP = records.record(
    records.keep("maxIterations"),
    records.move(
        "condition",
        "while",
        records.record(
            records.Constant("type", "cel"),
            records.move("expression", "cel"),
            records.move(
                "source",
                "control",
                records.record(
                    records.Constant("type", "file"),
                    records.keep("path"),
                    records.same_name("onMissing", STOP_OR_FAIL),
                    records.same_name("onInvalid", STOP_OR_FAIL),
                ),
            ),
        ),
    ),
    records.same_name(
        "state",
        records.record(
            records.move("required", "persistent"), records.move("volumeNames", "volumes")
        ),
    ),
)

WORKFLOW_STEP = records.record(
    records.keep("name"),
    IMPLEMENTATION,
    records.same_name("workload", WORKLOAD),
    records.same_name("parameters", PARAMETERS),
    records.move("retries", "retry.limit", COUNT),
    records.move("retryBackoffSeconds", "retry.backoff.base", conversion_parts.SECONDS),
    records.move("timeoutSeconds", "timeout", conversion_parts.SECONDS),
    records.same_name("loop", LOOP),
)
WORKFLOW_STEPS = steps.each_by("name", WORKFLOW_STEP)

# --- runtime (rows 7, 8): free-form settings become typed ones ----------------------------------

TIMEOUTS = steps.exact(
    records.record(
        records.move("workflowExecutionTimeoutMs", "execution", conversion_parts.MILLISECONDS),
        records.move("workflowRunTimeoutMs", "run", conversion_parts.MILLISECONDS),
        records.move("workflowTaskTimeoutMs", "task", conversion_parts.MILLISECONDS),
    )
)
PULL_SECRETS = steps.Fn(
    # v1alpha1 accepts names and {name}; conversion writes {name}.
    lambda value: (
        steps.each_by("name", steps.exact(records.record(records.keep("name")))).up(
            [{"name": item} if type(item) is str else item for item in value]
        )
        if type(value) is list
        else steps.ABSENT
    ),
    steps.each(records.record(records.keep("name"))).down,
)
SETTINGS = (
    records.move("serviceAccountName", "podTemplate.serviceAccountName", steps.text()),
    records.move("serviceAccount", "podTemplate.serviceAccountName", steps.one_way(steps.text())),
    records.move(
        "nodeSelector", "podTemplate.nodeSelector", steps.exact(steps.values(steps.text()))
    ),
    records.move("tolerations", "podTemplate.tolerations", _model_list(core.Toleration)),
    records.move("affinity", "podTemplate.affinity", _model_value(core.Affinity)),
    records.move(
        "topologySpreadConstraints",
        "podTemplate.topologySpreadConstraints",
        _model_list(core.TopologySpreadConstraint),
    ),
    records.move(
        "podSecurityContext",
        "podTemplate.securityContext",
        _model_value(core.PodSecurityContext),
    ),
    records.move("priorityClassName", "podTemplate.priorityClassName", steps.text()),
    records.move("schedulerName", "podTemplate.schedulerName", steps.text()),
    records.move("imagePullSecrets", "podTemplate.imagePullSecrets", PULL_SECRETS),
    records.move("resources", "podTemplate.resources", _model_value(core.ResourceRequirements)),
    records.move("labels", "labels", steps.exact(steps.values(steps.text()))),
    records.move("annotations", "annotations", steps.exact(steps.values(steps.text()))),
    records.move("ttlSecondsAfterFinished", "jobTTL", steps.numeric(conversion_parts.SECONDS)),
    records.move("logRetentionSeconds", "logRetention", steps.numeric(conversion_parts.SECONDS)),
    records.move("backoffLimit", "backoffLimit", steps.numeric(COUNT)),
)
# Settings of a single runtime; for other runtimes they are kept in extraConfig.
ARM_SETTINGS: Final = {
    "temporal": (
        records.move("workflowType", "temporal.workflowType", steps.text()),
        records.move("taskQueue", "temporal.taskQueue", steps.text()),
        records.move("namespace", "temporal.namespace", steps.text()),
        records.move("workflowId", "temporal.workflowId", steps.text()),
        records.move("timeouts", "temporal.timeouts", TIMEOUTS),
    ),
    "custom": (
        records.move("endpoint", "custom.endpoint", steps.text()),
        records.move("payload", "custom.payload", steps.typed(dict)),
    ),
}
CONFIGS: Final = {
    runtime: records.sealed_record((*SETTINGS, *ARM_SETTINGS.get(runtime, ())), extra="extraConfig")
    for runtime in RUNTIMES
}
TYPE = steps.enumeration(RUNTIMES)
WORKFLOW = records.move(
    "workflow",
    "runtime.workflow",
    records.record(
        # v1alpha1 runs steps sequentially, so that is its default.
        records.Implied("parallelism", 1),
        records.same_name("steps", WORKFLOW_STEPS),
    ),
)
RUNTIME = records.Tagged(
    records.move("runtime.type", "runtime.type", TYPE),
    {
        runtime: (
            records.Spread(("runtime", "config"), ("runtime",), config),
            *((WORKFLOW,) if runtime == "workflow" else ()),
        )
        for runtime, config in CONFIGS.items()
    },
)

# --- retention (row 17): 0 seconds meant for ever -----------------------------------------------

RETENTION = records.Sentinel(
    records.move("ttlSecondsAfterFinished", "retention.ttl", steps.to_duration(least=1)),
    old=0,
    place=("retention", "keepForever"),
    new=True,
)

SPEC = records.record(
    records.keep("agentRef", "goal", "memoryRef", "idempotencyKey"),
    IMPLEMENTATION,
    RUNTIME,
    RETENTION,
    records.same_name("workload", WORKLOAD),
    records.same_name("parameters", PARAMETERS),
    records.move("secrets", "secretRefs", steps.wrap("name")),
    records.move("vcsRef", "vcs.providerRef"),
    records.move("vcsPolicy.mode", "vcs.mode", VCS_MODE),
    records.move("vcsPolicy.required", "vcs.required"),
)

# --- status (rows 19 to 21) ---------------------------------------------------------------------

PHASE = records.OpenWords(
    "phase",
    words=frozenset(
        {
            *("Pending", "Starting", "Running", "Succeeded", "Failed", "Cancelled"),
            *("Template", "Unknown"),
        }
    ),
    other="Unknown",
    detail="phaseDetail",
)
JOB_TIMES = (records.move("startedAt", "startTime"), records.move("finishedAt", "completionTime"))

RUNTIME_REF = records.open_record(
    (
        *(
            records.move(name, name, steps.text())
            for name in (
                *("name", "namespace", "uid", "workflowId"),
                *("runId", "taskQueue", "runName", "stepName"),
            )
        ),
        records.move("type", "type", TYPE),
        records.move("jobObservedAt", "observedTime", steps.text()),
    ),
    extra="extra",
)
RUNNER = records.open_record(
    (
        *(
            records.move(name, name, steps.text())
            for name in ("signal", "provider", "adapter", "error")
        ),
        records.move(
            "status",
            "status",
            steps.enumeration(
                {"succeeded": "Succeeded", "failed": "Failed", "cancelled": "Cancelled"}
            ),
        ),
        records.move("exitCode", "exitCode", steps.integer()),
        records.move("startedAt", "startTime", steps.text()),
        records.move("finishedAt", "completionTime", steps.text()),
    ),
    extra="extra",
)
ITERATION = records.record(
    records.keep("index", "phase", "attempts", "message", "jobRef"), JOB_TIMES
)
LOOP_STATUS = records.record(
    records.keep("currentIteration", "completedIterations", "maxIterations", "stopReason"),
    records.keep("retainedIterations", "prunedIterations", "lastControl"),
    records.same_name("iterations", steps.each(ITERATION)),
)
STEP_STATUS = records.record(
    records.keep("name", "phase", "attempt", "lastTransitionTime", "message", "jobRef"),
    records.keep("disruptions"),
    JOB_TIMES,
    records.move("jobObservedAt", "jobObservedTime"),
    records.move("nextRetryAt", "nextRetryTime"),
    records.same_name("loop", LOOP_STATUS),
)
ATTEMPT = records.record(
    records.keep("number", "phase", "reason", "message", "exitCode", "jobRef"), JOB_TIMES
)
STATUS = conversion_parts.status(
    records.keep("reason", "message", "artifacts", "systemPromptHash", "specHash"),
    records.keep("artifactsOmitted", "missingArtifacts"),
    PHASE,
    JOB_TIMES,
    records.keep("queue", "attempt", "disruptions"),
    records.move("nextAttemptAt", "nextAttemptTime"),
    records.same_name("attempts", steps.each(ATTEMPT)),
    records.same_name("runtimeRef", RUNTIME_REF),
    records.same_name("runner", RUNNER),
    records.same_name(
        "workflow",
        records.record(
            records.keep("phase", "lastTransitionTime"),
            records.same_name("steps", steps.each(STEP_STATUS)),
        ),
    ),
    records.same_name(
        "vcs",
        records.record(
            records.keep("provider", "repository", "baseBranch", "headBranch"),
            records.same_name("mode", VCS_MODE),
        ),
    ),
    records.same_name(
        "contract",
        records.record(
            records.move("requiredKeys", "requiredParameters"),
            records.move("missingKeys", "missingParameters"),
        ),
    ),
)

# --- the object: two annotations become fields (row 18) -----------------------------------------


def _without(metadata: JSON, name: str) -> JSON:
    """Return the metadata without an annotation, and without an empty annotations map."""
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


# The parts run in this order up and in reverse order down, so the annotations see the converted
# spec on the way up and the converted metadata on the way down.
CONVERSION = records.Conversion(
    records.record(
        records.PartFn(down=_annotations_down, annotations=(TEMPLATE, RETAIN)),
        conversion_parts.members(SPEC, STATUS),
        records.PartFn(up=_annotations_up, annotations=(TEMPLATE, RETAIN)),
    ),
    unordered_paths=("spec.parameters", "spec.runtime.workflow.steps.[].parameters"),
)
