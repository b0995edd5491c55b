"""Jobs run to their end on the fuller cluster, and controllers clean up as in a real one."""

import itertools
import json
import pathlib
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from controllers import devcluster

pytestmark = pytest.mark.e2e

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "devcluster.md"
PREFIX = "devcluster.kubewright.dev/"
COUNTER = itertools.count()
SECONDS = 120

Steering = Mapping[str, str]
NONE: Steering = {}
ENDLESS: Steering = {"seconds": "never"}


class Namespace:
    """A namespace of a test's own."""

    def __init__(self, cluster: devcluster.Cluster, annotations: Steering = NONE) -> None:
        self.cluster, self.name = cluster, f"jobs-{next(COUNTER)}"
        metadata = {"name": self.name, "annotations": named(annotations)}
        self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        """Create one object."""
        done = self.kubectl("create", "-f", "-", "-o", "json", input=json.dumps(body))
        created: dict[str, Any] = json.loads(done)
        return created

    def job(
        self,
        name: str,
        annotations: Steering = NONE,
        *,
        owner: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Create a Job whose pod has these annotations."""
        metadata: dict[str, Any] = {"name": name}
        if owner is not None:
            reference = {"apiVersion": "v1", "kind": owner["kind"], **identity(owner)}
            metadata["ownerReferences"] = [reference]
        containers = [{"name": "main", "image": "none"}, {"name": "beside", "image": "none"}]
        template = {
            "metadata": {"annotations": named(annotations)},
            "spec": {"restartPolicy": "Never", "containers": containers},
        }
        spec = {"backoffLimit": 0, "template": template}
        body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}
        return self.create(body)

    def wait(self, condition: str, *what: str) -> None:
        """Wait for what kubectl can wait for."""
        self.kubectl("wait", f"--for={condition}", f"--timeout={SECONDS}s", *what)

    def pod(self, job: str) -> dict[str, Any]:
        """The only pod of a Job."""
        selector = f"batch.kubernetes.io/job-name={job}"
        listed = json.loads(self.kubectl("get", "pods", "-l", selector, "-o", "json"))
        (found,) = listed["items"]
        assert isinstance(found, dict)
        return found

    def kubectl(self, *arguments: str, **options: Any) -> str:
        """Run kubectl there; what it prints."""
        done = self.cluster.kubectl("--namespace", self.name, *arguments, **options)
        return done.stdout


def named(annotations: Steering) -> dict[str, str]:
    return {PREFIX + name: value for name, value in annotations.items()}


def identity(body: dict[str, Any]) -> dict[str, Any]:
    return {key: body["metadata"][key] for key in ("name", "uid")}


def ended(pod: dict[str, Any]) -> list[tuple[int, str, str | None]]:
    """Exit code, reason and message of each container."""
    found = [one["state"]["terminated"] for one in pod["status"]["containerStatuses"]]
    return [(one["exitCode"], one["reason"], one.get("message")) for one in found]


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def namespace(job_cluster: devcluster.Cluster) -> Namespace:
    return Namespace(job_cluster)


def test_job_completes(namespace: Namespace) -> None:
    namespace.job("plain")

    namespace.wait("condition=Complete", "job/plain")
    pod = namespace.pod("plain")

    assert "Succeeded" == pod["status"]["phase"]
    assert [(0, "Completed", None), (0, "Completed", None)] == ended(pod)
    assert "finalizers" not in pod["metadata"]


def test_failing_job_leaves_exit_code_and_termination_message(namespace: Namespace) -> None:
    message = '{"status":"failed","error":"über <&> 100%"}'
    namespace.job("failing", {"seconds": "0.1", "exit-code": "3", "message": message})

    namespace.wait("condition=Failed", "job/failing")
    pod = namespace.pod("failing")

    assert "Failed" == pod["status"]["phase"]
    assert [(3, "Error", message), (0, "Completed", None)] == ended(pod)


def test_job_takes_its_time(namespace: Namespace) -> None:
    namespace.job("slow", {"seconds": "2"})

    namespace.wait("jsonpath={.status.ready}=1", "job/slow")
    running = namespace.pod("slow")["status"]
    namespace.wait("condition=Complete", "job/slow")

    assert "Running" == running["phase"]
    assert all(one["ready"] for one in running["containerStatuses"])


def test_long_message_is_cut_as_a_kubelet_does(namespace: Namespace) -> None:
    namespace.job("talkative", {"message": "x" * 5000})

    namespace.wait("condition=Complete", "job/talkative")

    assert "x" * 4096 == ended(namespace.pod("talkative"))[0][2]


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ({"seconds": "soon"}, 'expected seconds as 0.5, or never, got "soon"'),
        ({"exit-code": "-1"}, 'expected an exit code as 3, got "-1"'),
    ],
)
def test_nonsense_fails_and_says_so(
    namespace: Namespace, annotations: Steering, message: str
) -> None:
    namespace.job("nonsense", annotations)

    namespace.wait("condition=Failed", "job/nonsense")

    assert (1, "Error", message) == ended(namespace.pod("nonsense"))[0]


def test_namespace_speaks_for_pods_that_say_nothing(job_cluster: devcluster.Cluster) -> None:
    namespace = Namespace(job_cluster, {"exit-code": "4", "message": "from the namespace"})
    namespace.job("silent")
    namespace.job("outspoken", {"exit-code": "0"})

    namespace.wait("condition=Failed", "job/silent")
    namespace.wait("condition=Complete", "job/outspoken")

    assert (4, "Error", "from the namespace") == ended(namespace.pod("silent"))[0]
    assert (0, "Completed", "from the namespace") == ended(namespace.pod("outspoken"))[0]


def test_endless_job_is_deleted_and_its_pod_goes(namespace: Namespace) -> None:
    namespace.job("endless", ENDLESS)
    namespace.wait("jsonpath={.status.ready}=1", "job/endless")

    namespace.kubectl("delete", "job", "endless")
    until(lambda: namespace.kubectl("get", "pods", "-o", "name") == "")


def test_running_pod_that_is_deleted_fails_its_job(namespace: Namespace) -> None:
    namespace.job("killed", ENDLESS)
    namespace.wait("jsonpath={.status.ready}=1", "job/killed")
    pod = namespace.pod("killed")["metadata"]["name"]

    namespace.kubectl("delete", "pod", pod)
    namespace.wait("condition=Failed", "job/killed")

    assert "" == namespace.kubectl("get", "pods", "-o", "name")


def test_owned_job_goes_with_its_owner(namespace: Namespace) -> None:
    metadata = {"name": "owner"}
    owner = namespace.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    namespace.job("owned", ENDLESS, owner=owner)
    namespace.job("free", ENDLESS)
    namespace.wait("jsonpath={.status.ready}=1", "job/owned", "job/free")

    namespace.kubectl("delete", "configmap", "owner")
    until(lambda: namespace.kubectl("get", "jobs,pods", "-o", "name").count("owned") == 0)

    assert "job.batch/free\n" == namespace.kubectl("get", "jobs", "-o", "name")


def test_deleted_namespace_is_emptied_and_goes(namespace: Namespace) -> None:
    namespace.job("running", ENDLESS)
    namespace.wait("jsonpath={.status.ready}=1", "job/running")

    namespace.kubectl("delete", "namespace", namespace.name, f"--timeout={SECONDS}s")

    assert "" == namespace.kubectl("get", "jobs,pods", "-o", "name")


def test_jobs_run_on_after_a_restart_of_the_api_server(namespace: Namespace) -> None:
    namespace.job("before", ENDLESS)
    namespace.wait("jsonpath={.status.ready}=1", "job/before")

    namespace.cluster.restart_api_server()
    namespace.job("after")
    namespace.wait("condition=Complete", "job/after")

    assert "Running" == namespace.pod("before")["status"]["phase"]


def test_documented_example_passes(job_cluster: devcluster.Cluster) -> None:
    (example,) = re.findall(
        r"<!-- example: jobs -->\n```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL
    )
    found: dict[str, Any] = {}

    exec(example, found)  # noqa: S102 - our own document
    (test,) = (value for name, value in found.items() if name.startswith("test_"))

    test(job_cluster)
