"""Objects that tests start from."""

import copy
from typing import Any

GROUP = "agents.proompteng.ai"


def run(version: str, name: str = "one", **spec: Any) -> dict[str, Any]:
    """A minimal AgentRun of a version, with more in its spec."""
    minimal: dict[str, dict[str, Any]] = {
        "v1alpha1": {
            "agentRef": {"name": "codex"},
            "implementationSpecRef": {"name": "fix-login"},
            "runtime": {"type": "job"},
        },
        "v1beta1": {
            "agentRef": {"name": "codex"},
            "implementation": {"specRef": {"name": "fix-login"}},
            "runtime": {"type": "Job"},
        },
    }
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "AgentRun",
        "metadata": {"name": name},
        "spec": copy.deepcopy(minimal[version]) | spec,
    }


def implementation_spec(version: str, name: str = "one", **spec: Any) -> dict[str, Any]:
    """A minimal ImplementationSpec of a version, with more in its spec."""
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": "ImplementationSpec",
        "metadata": {"name": name},
        "spec": {"text": "Fix the login."} | spec,
    }
