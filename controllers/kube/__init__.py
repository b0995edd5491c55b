"""A client of the Kubernetes API on plain JSON objects, and what controllers build on it.

async with kube.Client.from_environment() as client:
    pods = await client.list(kube.Resource("", "v1", "pods", "Pod"))

A controller reads projections, which hold the fields that it needs, from a store that a reflector
keeps in sync:

>>> from controllers import kube
>>> class Pod(kube.Projection, frozen=True):
...     pass
>>> pod = kube.view_of(Pod, {"metadata": {"name": "a", "namespace": "default", "uid": "1"}})
>>> str(pod.key)
'default/a'
"""

from controllers.kube.auth.access import Access
from controllers.kube.client import Client, Options
from controllers.kube.clocks import boot_seconds, micro_time, time_of, time_text, utc_now
from controllers.kube.controller import reconcile
from controllers.kube.errors import (
    JSON,
    AddressError,
    AlreadyExistsError,
    AnswerError,
    ApiError,
    Cause,
    ConfigurationError,
    ConflictError,
    DeadlineExceededError,
    ForbiddenError,
    GoneError,
    InvalidError,
    KubeError,
    NotFoundError,
    TooManyRequestsError,
    UnauthorizedError,
    UnreachableError,
)
from controllers.kube.event_recorder import Pace, Recorder, Regarding, regarding_of
from controllers.kube.http.limiter import Rate
from controllers.kube.leader_election import Elector, LostError, Timing
from controllers.kube.queue import CHANGED, FOLLOWED, RESYNCED, Queue
from controllers.kube.requests import Request, Selection
from controllers.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    EVENTS,
    LEASES,
    MUTATING_WEBHOOK_CONFIGURATIONS,
    NAMESPACES,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    SERVICE_ACCOUNTS,
    VALIDATING_ADMISSION_POLICIES,
    VALIDATING_ADMISSION_POLICY_BINDINGS,
    VALIDATING_WEBHOOK_CONFIGURATIONS,
    Resource,
    values_of,
)
from controllers.kube.responses import Event, Listing
from controllers.kube.watch.memory_size import memory_bytes
from controllers.kube.watch.projections import (
    Change,
    Condition,
    Key,
    Metadata,
    OwnerReference,
    Projection,
    Unreadable,
    condition,
    view_of,
)
from controllers.kube.watch.reflector import Reflector
from controllers.kube.watch.store import Indexer, Store
from controllers.kube.writer import Writer

__all__ = [
    "CHANGED",
    "CLUSTER_ROLES",
    "CLUSTER_ROLE_BINDINGS",
    "CONFIG_MAPS",
    "CUSTOM_RESOURCE_DEFINITIONS",
    "EVENTS",
    "FOLLOWED",
    "JSON",
    "LEASES",
    "MUTATING_WEBHOOK_CONFIGURATIONS",
    "NAMESPACES",
    "RESYNCED",
    "ROLES",
    "ROLE_BINDINGS",
    "SECRETS",
    "SERVICE_ACCOUNTS",
    "VALIDATING_ADMISSION_POLICIES",
    "VALIDATING_ADMISSION_POLICY_BINDINGS",
    "VALIDATING_WEBHOOK_CONFIGURATIONS",
    "Access",
    "AddressError",
    "AlreadyExistsError",
    "AnswerError",
    "ApiError",
    "Cause",
    "Change",
    "Client",
    "Condition",
    "ConfigurationError",
    "ConflictError",
    "DeadlineExceededError",
    "Elector",
    "Event",
    "ForbiddenError",
    "GoneError",
    "Indexer",
    "InvalidError",
    "Key",
    "KubeError",
    "Listing",
    "LostError",
    "Metadata",
    "NotFoundError",
    "Options",
    "OwnerReference",
    "Pace",
    "Projection",
    "Queue",
    "Rate",
    "Recorder",
    "Reflector",
    "Regarding",
    "Request",
    "Resource",
    "Selection",
    "Store",
    "Timing",
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnreachableError",
    "Unreadable",
    "Writer",
    "boot_seconds",
    "condition",
    "memory_bytes",
    "micro_time",
    "reconcile",
    "regarding_of",
    "time_of",
    "time_text",
    "utc_now",
    "values_of",
    "view_of",
]
