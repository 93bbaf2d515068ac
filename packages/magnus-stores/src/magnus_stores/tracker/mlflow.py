"""An MLflow server as the experiment tracker; mlflow is imported when the first thing is tracked."""

from __future__ import annotations

import json
import os
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from time import time
from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import Reach, ServiceCapabilities
from magnus.errors import ServiceError
from magnus.ports.experiment_tracker import ExperimentTracker
from magnus_stores.tracker.mlflow_run import find_or_create_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from magnus.ports.experiment_tracker import Metric

if find_spec("mlflow") is None:
    # Found out when the configuration is read; the import itself, which takes a second, waits until something is tracked.
    raise ModuleNotFoundError("No module named 'mlflow'", name="mlflow")

_DEFAULT_EXPERIMENT = "magnus"
_METRICS_PER_REQUEST = 1000
_PARAMETERS_PER_REQUEST = 100
_PARAMETER_LENGTH = 6000
"""The server refuses longer ones."""

_CLIENT_SETTINGS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
"""In seconds, and tries after the first. mlflow's own defaults wait for an unreachable server for minutes."""

_client_settings_lock = threading.RLock()


@dataclass(frozen=True, slots=True)
class MlflowTrackerOptions:
    """Which server, and what goes there.

    Attributes:
        server_url: The tracking server's address. Credentials are better left to mlflow's own environment variables.
        experiment: The experiment that runs belong to; None for the run's tag, or `magnus` where it has none.
        autolog: Whether mlflow logs by itself what it knows of the libraries that a task uses.
    """

    server_url: str
    experiment: str | None = None
    autolog: bool = False


class MlflowTracker(ExperimentTracker):
    """Keeps one MLflow run for each run of magnus, found by its tag `magnus.run_id` from every process."""

    Options = MlflowTrackerOptions

    def __init__(self, options: Any = None) -> None:
        """Remember the server; it is not asked anything yet."""
        super().__init__(options)
        self._lock = threading.Lock()
        self._run_ids: dict[str, str] = {}

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Reach as far as the network."""
        return ServiceCapabilities(reach=Reach.NETWORK)

    def log_metrics(self, run_id: str, tag: str, step_name: str, metrics: Sequence[Metric]) -> None:
        """Record numbers as metrics, everything else as parameters."""
        if not metrics:
            return
        numbers = [(metric, number) for metric in metrics if (number := _as_number(metric.value)) is not None]
        others = [metric for metric in metrics if _as_number(metric.value) is None]
        with self._calling("record metrics") as client:
            from mlflow.entities import Metric as MlflowMetric

            target = self._run(client, run_id, tag)
            now = int(time() * 1000)
            sent = [MlflowMetric(_key(metric.name), number, now, metric.step) for metric, number in numbers]
            for start in range(0, len(sent), _METRICS_PER_REQUEST):
                client.log_batch(target, metrics=sent[start : start + _METRICS_PER_REQUEST])
            for metric in others:
                _log_text(client, target, step_name, metric)

    def log_parameters(self, run_id: str, tag: str, parameters: Mapping[str, Any]) -> None:
        """Record the parameters, those that are no text as JSON, cut at 6000 characters."""
        with self._calling("record parameters") as client:
            from mlflow.entities import Param

            target = self._run(client, run_id, tag)
            sent = [Param(_key(name), _as_text(value)) for name, value in parameters.items()]
            for start in range(0, len(sent), _PARAMETERS_PER_REQUEST):
                client.log_batch(target, params=sent[start : start + _PARAMETERS_PER_REQUEST])

    def end_run(self, run_id: str, tag: str, *, succeeded: bool) -> None:
        """Set the run to FINISHED or FAILED."""
        with self._calling("end the run") as client:
            client.set_terminated(self._run(client, run_id, tag), "FINISHED" if succeeded else "FAILED")

    @contextmanager
    def client_context(self, run_id: str, tag: str) -> Iterator[Any]:
        """Make the run mlflow's active one, so that `mlflow.log_metric` and autologging go there; yields the module."""
        with self._calling("find the run") as client:
            import mlflow

            target = self._run(client, run_id, tag)
            before = os.environ.get("MLFLOW_TRACKING_URI")
            mlflow.set_tracking_uri(self.options.server_url)
            if self.options.autolog:
                mlflow.autolog()
            mlflow.start_run(run_id=target)
        try:
            yield mlflow
        finally:
            try:
                with self._calling("leave the run"):
                    mlflow.end_run(
                        "RUNNING"
                    )  # other steps follow; `end_run` of the tracker says how it all ended
            finally:
                if self.options.autolog:
                    mlflow.autolog(disable=True)
                mlflow.set_tracking_uri(before or "")
                _set_variable("MLFLOW_TRACKING_URI", before)

    def _run(self, client: Any, run_id: str, tag: str) -> str:
        with self._lock:
            if run_id not in self._run_ids:
                experiment = self.options.experiment or tag or _DEFAULT_EXPERIMENT
                self._run_ids[run_id] = find_or_create_run(client, experiment, run_id, tag)
            return self._run_ids[run_id]

    @contextmanager
    def _calling(self, purpose: str) -> Iterator[Any]:
        """Lend a client, and turn its errors into ours; while it is lent, requests are tried twice for five seconds."""
        try:
            with _client_settings():
                from mlflow.exceptions import MlflowException
                from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise ServiceError(
                f"the tracker 'mlflow' needs mlflow: pip install 'magnus-stores[mlflow]' ({error})"
            ) from error
        try:
            with _client_settings():
                yield MlflowClient(tracking_uri=self.options.server_url)
        except (MlflowException, OSError) as error:  # requests' errors are OSErrors
            code = getattr(error, "error_code", "INTERNAL_ERROR")
            # Not chained: the client's errors quote addresses and headers.
            raise ServiceError(
                f"the MLflow server {_hidden(self.options.server_url)} could not {purpose}: "
                f"{self._cleaned(str(error))}; "
                "check that it runs and that 'server_url' is right",
                retriable=code in ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"),
            ) from None

    def _cleaned(self, text: str) -> str:
        text = text.replace(self.options.server_url, _hidden(self.options.server_url))
        for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD"):
            if secret := os.environ.get(name):
                text = text.replace(secret, "***")
        return _hidden(text)


@contextmanager
def _client_settings() -> Iterator[None]:
    """Set what mlflow reads from the environment, for as long as one of our calls takes; what the user set wins."""
    with _client_settings_lock:
        added = [name for name in _CLIENT_SETTINGS if name not in os.environ]
        os.environ.update({name: _CLIENT_SETTINGS[name] for name in added})
        try:
            yield
        finally:
            for name in added:
                os.environ.pop(name, None)


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _log_text(client: Any, target: str, step_name: str, metric: Metric) -> None:
    """Record what is no number; a parameter never changes, so a second value of one name goes under the step's."""
    from mlflow.exceptions import MlflowException

    name = f"{metric.name}/{metric.step}" if metric.step else metric.name
    value = _as_text(metric.value)
    try:
        client.log_param(target, _key(name), value)
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        client.log_param(target, _key(f"{step_name}/{name}"), value)


def _as_number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _as_text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text[:_PARAMETER_LENGTH]


def _key(name: str) -> str:
    """Return *name* with what MLflow does not allow in names replaced."""
    return re.sub(r"[^\w./ -]", "_", name)


def _hidden(text: str) -> str:
    """Return *text* without the user and password of addresses in it."""
    return re.sub(r"(?<=://)[^\s/@]*@", "***@", text)
