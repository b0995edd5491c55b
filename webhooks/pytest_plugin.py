"""The pytest fixture ``served_api``, for tests of any API that is declared with schemagen.

It is loaded in every pytest run where kubewright is installed, so nothing is imported until a test
uses it.
"""

import contextlib
import typing
from collections.abc import Callable, Iterator

import pytest

if typing.TYPE_CHECKING:
    from controllers.devcluster import Cluster
    from schemagen import Api
    from webhooks.development.embedded import Served


@pytest.fixture(scope="session")
def served_api(api_server: "Cluster") -> "Iterator[Callable[[Api | str], Served]]":
    """Serves an Api, or the one named by ``MODULE:API``, once per session: ``served_api(api)``.

    Its CRDs, webhook configurations and policies are installed in ``api_server``, and its webhooks
    are served by this process. The result has ``kubectl(*arguments, input=None)``, ``client()``,
    ``cluster`` and ``address``.
    """
    from schemagen import files  # noqa: PLC0415 - see the module's docstring
    from webhooks.development import embedded  # noqa: PLC0415 - likewise

    known: list[Served] = []
    with contextlib.ExitStack() as stack:

        def serve(api: "Api | str") -> "Served":
            loaded = files.load_api(api) if isinstance(api, str) else api
            for served in known:
                if served.api == loaded:
                    return served
                if served.api.group == loaded.group:
                    raise ValueError(
                        f"expected a single Api of {loaded.group} per test session, got another "
                        "one; its CRDs and webhook configurations would replace those of the first"
                    )
            known.append(stack.enter_context(embedded.serving(loaded, api_server)))
            return known[-1]

        yield serve
