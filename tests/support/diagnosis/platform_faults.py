"""Faults of components, runs and objects, each with the check that has to find it."""

import dataclasses

from controllers import kube
from controllers.agentctl.diagnose.observation import Reading
from controllers.ledger import encoding
from tests.support.diagnosis.plants import (
    CRASHING,
    CRD,
    GROUP,
    HOME,
    HOUR,
    LEASE,
    LEDGER,
    QUOTA,
    RUN,
    UID,
    Planted,
    annotated,
    changed,
    condition,
    deleted,
    deployment,
    event,
    job,
    lease,
    old,
    poll,
    reading,
    refused,
    run,
    slots,
    text,
    two_defaults,
    webhook_failed,
)

OF_PLATFORM = (
    Planted(
        "the namespace is missing", "home-exists", f"Namespace {HOME}", reading(home_object=None)
    ),
    Planted(
        "the namespace is being deleted",
        "home-exists",
        f"Namespace {HOME}",
        reading(
            home_object={
                "kind": "Namespace",
                "metadata": {"name": HOME, "deletionTimestamp": "2026-01-01T00:00:00Z"},
            }
        ),
    ),
    Planted(
        "the controller lacks a right",
        "rights-granted",
        f"User system:serviceaccount:{HOME}:controller",
        refused(f"agentruns.{GROUP}", "controller"),
    ),
    Planted(
        "the user may not install",
        "rights-granted",
        "User current",
        refused("customresourcedefinitions.apiextensions.k8s.io", "install"),
        mode="pre",
    ),
    Planted("there is no Lease", "lease-held", LEASE, reading(lease=None)),
    Planted(
        "nobody leads",
        "lease-held",
        LEASE,
        lease(lambda spec, _: spec.update(holderIdentity="")),
    ),
    Planted(
        "the leader died",
        "lease-held",
        LEASE,
        lease(lambda spec, seen: spec.update(renewTime=kube.micro_time(seen.now - HOUR))),
    ),
    Planted("there is no ledger", "ledger-readable", LEDGER, reading(book=None)),
    Planted(
        "the ledger is damaged",
        "ledger-readable",
        LEDGER,
        lambda seen: dataclasses.replace(
            seen, book=Reading({**(seen.book.get() or {}), "data": {encoding.KEY: "{"}})
        ),
    ),
    Planted(
        "more runs are in flight than allowed",
        "ledger-limits",
        LEDGER,
        slots(*((f"{UID}-{number}", (HOME, "coder", 1, f"r{number}", 1)) for number in range(6))),
        others=("ledger-slots",),
    ),
    Planted(
        "a slot has no run",
        "ledger-slots",
        f"AgentRun {HOME}/gone",
        slots((UID, (HOME, "coder", 1, "gone", 1))),
    ),
    Planted("a Job has no slot", "ledger-jobs", f"Job {HOME}/run-x", job),
    Planted(
        "no replica is available",
        "components-available",
        f"Deployment {HOME}/agents-controller",
        deployment(0),
    ),
    Planted(
        "a replica is not available",
        "components-available",
        f"Deployment {HOME}/agents-controller",
        deployment(1),
        is_warning=True,
    ),
    Planted(
        "the controller is of another release",
        "components-release",
        f"Deployment {HOME}/agents-controller",
        deployment(2, "9.9.9"),
        is_warning=True,
    ),
    Planted(
        "the controller crashes",
        "components-running",
        f"Pod {HOME}/agents-controller-x",
        reading(pods=(CRASHING,)),
    ),
)
OF_RUNS = (
    Planted("no controller sees a run", "runs-reconciled", RUN, changed("AgentRun", old)),
    Planted("a run's agent is missing", "runs-references", RUN, run(reason="MissingAgent")),
    Planted("a run's pod does not start", "runs-starting", RUN, run("Starting", "Unschedulable")),
    Planted(
        "a run cannot be cleaned up", "runs-progressing", RUN, run("Running", "CleanupBlocked")
    ),
    Planted("a deleted run stays", "runs-deleted", RUN, changed("AgentRun", deleted)),
    Planted(
        "a free slot is not allocated",
        "queue-moving",
        RUN,
        run(queue=lambda seen: {"since": text(seen.now - HOUR / 2)}),
    ),
    Planted(
        "a run waits for long",
        "queue-wait",
        RUN,
        run(reason="ConcurrencyLimit", queue=lambda seen: {"since": text(seen.now - 2 * HOUR)}),
        is_warning=True,
        others=("queue-moving",),
    ),
)
OF_OBJECTS = (
    Planted(
        "a memory cannot be reached",
        "memories-ready",
        "Memory default/team-memory",
        changed("Memory", condition("Ready", "False", "Unreachable")),
    ),
    Planted(
        "there are two default memories",
        "memory-default",
        "Memory default/second",
        two_defaults,
        is_warning=True,
    ),
    Planted(
        "a source's Secret is missing",
        "sources-ready",
        "ImplementationSource default/shop-tickets",
        changed("ImplementationSource", condition("Unreachable", "True", "SecretNotFound")),
    ),
    Planted(
        "a source is not polled",
        "sources-synced",
        "ImplementationSource default/shop-tickets",
        changed("ImplementationSource", poll),
    ),
    Planted(
        "a source's webhook failed",
        "sources-synced",
        "ImplementationSource default/shop-tickets",
        changed("ImplementationSource", webhook_failed),
    ),
    Planted(
        "an agent is not ready",
        "objects-ready",
        "Agent default/coder",
        changed("Agent", condition("Ready", "False", "ProviderNotReady")),
    ),
    Planted(
        "a provider is out of capacity",
        "objects-ready",
        "AgentProvider default/codex",
        changed("AgentProvider", condition("Degraded", "True", "ProviderCapacityExhausted")),
        is_warning=True,
    ),
    Planted(
        "an agent's provider is missing",
        "references-resolve",
        "Agent default/coder",
        changed("Agent", lambda value, _: value["spec"].update(providerRef={"name": "none"})),
    ),
)
OF_SURROUNDINGS = (
    Planted(
        "a quota is used up",
        "quota-left",
        f"ResourceQuota {HOME}/small",
        reading(quotas=(QUOTA,)),
        is_warning=True,
    ),
    Planted(
        "a Job cannot create pods", "events-quiet", f"Job {HOME}/run-x", event, is_warning=True
    ),
    Planted(
        "a suppression has no reason",
        "suppressions-valid",
        CRD,
        annotated("crds-current"),
        is_warning=True,
    ),
    Planted(
        "a suppression names no check",
        "suppressions-valid",
        CRD,
        annotated("no-such-check: because"),
        is_warning=True,
    ),
)
