from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from magnus.errors import ServiceError
from magnus.ports.experiment_tracker import Metric
from magnus.testing.experiment_tracker import TAG, ExperimentTrackerContract, Tracked
from magnus_stores.tracker.mlflow import MlflowTracker, MlflowTrackerOptions

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.slow,
    # mlflow and what it imports use names that Python and their libraries have put off; none of it is ours to change.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

_ENDS = {"FINISHED": True, "FAILED": False}


class TestMlflowTracker(ExperimentTrackerContract):
    """A real server keeps the promises."""

    @pytest.fixture
    def make_tracker(self, mlflow_server: str) -> Callable[[], MlflowTracker]:
        """Make clients of the server."""
        return lambda: MlflowTracker(MlflowTrackerOptions(server_url=mlflow_server))

    @pytest.fixture
    def read_back(self, mlflow_server: str) -> Callable[[str], Tracked]:
        """Read with mlflow's own client."""
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=mlflow_server)

        def read(run_id: str) -> Tracked:
            experiment = client.get_experiment_by_name(TAG)
            assert experiment is not None
            found = client.search_runs([experiment.experiment_id], f"attributes.run_name = '{run_id}'")
            info, data = found[0].info, found[0].data
            history = {name: client.get_metric_history(info.run_id, name) for name in data.metrics}
            return Tracked(
                metrics={name: sorted((m.step, m.value) for m in values) for name, values in history.items()},
                parameters=data.params,
                succeeded=_ENDS.get(info.status),
                runs=len(found),
            )

        return read

    def test_what_user_code_logs_in_the_context_is_in_the_same_run(
        self, run_id: str, make_tracker: Callable[[], MlflowTracker], read_back: Callable[[str], Tracked]
    ) -> None:
        """The functions of mlflow find the active run, which goes on afterwards; the environment is as before."""
        tracker = make_tracker()
        before = dict(os.environ)
        with tracker.client_context(run_id, TAG) as mlflow:
            mlflow.log_metric("own", 2.5, step=3)
        tracker.log_metrics(run_id, TAG, "step", [Metric("tracked", 1)])
        tracked = read_back(run_id)
        assert tracked.metrics == {"own": [(3, 2.5)], "tracked": [(0, 1.0)]}
        assert tracked.succeeded is None
        assert tracked.runs == 1
        assert dict(os.environ) == before


def test_a_server_that_is_not_there_is_one_error_in_a_few_seconds() -> None:
    """It names the server without the password in its address, and may be tried again."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    import mlflow.tracking  # noqa: F401 - the import is not what is measured

    tracker = MlflowTracker(MlflowTrackerOptions(server_url=f"http://user:canary@127.0.0.1:{port}"))
    begin = time.monotonic()
    with pytest.raises(ServiceError, match=f"127.0.0.1:{port} could not record metrics") as caught:
        tracker.log_metrics("run-1", "", "step", [Metric("loss", 1.0)])
    assert time.monotonic() - begin < 15
    assert "canary" not in str(caught.value)
    assert caught.value.retriable


def test_mlflow_is_not_imported_before_something_is_tracked() -> None:
    """Making a tracker, asking for its capabilities and tracking nothing cost no import of mlflow."""
    code = (
        "import sys; from magnus_stores.tracker.mlflow import *;"
        "t = MlflowTracker(MlflowTrackerOptions(server_url='http://h')); t.capabilities(t.options);"
        "t.log_metrics('r', '', 's', []); t.close(); sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
