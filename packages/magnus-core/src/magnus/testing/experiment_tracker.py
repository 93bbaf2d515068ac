"""What every tracker promises, as tests: subclass `ExperimentTrackerContract`, with `make_tracker` and `read_back`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from magnus.domain.capabilities import ServiceCapabilities
from magnus.ports.experiment_tracker import Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus.ports.experiment_tracker import ExperimentTracker

TAG = "contract"


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a tracker holds of one run.

    Attributes:
        metrics: Name to the (step, value) pairs, by step.
        parameters: Name to text.
        succeeded: How the run ended; None while it goes on.
        runs: How many entries of the tracker stand for the run.
    """

    metrics: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    succeeded: bool | None = None
    runs: int = 1


class ExperimentTrackerContract:
    """The promises of `magnus.ports.experiment_tracker.ExperimentTracker`.

    A subclass overrides `make_tracker`, and `read_back` if anything is kept.
    """

    @pytest.fixture
    def make_tracker(self) -> Callable[[], ExperimentTracker]:
        """Return a function of which every call makes another client of the same tracker."""
        raise NotImplementedError

    @pytest.fixture
    def read_back(self) -> Callable[[str], Tracked] | None:
        """Return a function that reads what is kept of a run by other means than the adapter; None if nothing is."""
        raise NotImplementedError

    @pytest.fixture
    def run_id(self) -> str:
        """Return the id of a run that no one has tracked yet."""
        return f"run-{uuid4().hex[:12]}"

    def test_capabilities_are_said_without_an_instance(
        self, make_tracker: Callable[[], ExperimentTracker]
    ) -> None:
        """The verdicts of a check are drawn from the class and the options."""
        tracker = make_tracker()
        assert isinstance(type(tracker).capabilities(tracker.options), ServiceCapabilities)

    def test_every_value_of_a_metric_is_kept_with_its_step(
        self,
        run_id: str,
        make_tracker: Callable[[], ExperimentTracker],
        read_back: Callable[[str], Tracked] | None,
    ) -> None:
        """A curve stays a curve, and other processes add to the same run."""
        make_tracker().log_metrics(
            run_id, TAG, "train", [Metric("loss", 1 / (step + 1), step) for step in range(5)]
        )
        make_tracker().log_metrics(run_id, TAG, "test", [Metric("accuracy", 0.5)])
        if read_back is not None:
            tracked = read_back(run_id)
            assert tracked.metrics["loss"] == [(step, 1 / (step + 1)) for step in range(5)]
            assert tracked.metrics["accuracy"] == [(0, 0.5)]
            assert tracked.runs == 1

    def test_values_that_are_no_numbers_are_accepted(
        self,
        run_id: str,
        make_tracker: Callable[[], ExperimentTracker],
        read_back: Callable[[str], Tracked] | None,
    ) -> None:
        """Text, lists, nothing and numbers beyond floats do not fail the step; text can be read back."""
        values: list[Any] = ["pässed", True, None, {"a": [1]}, 10**400, "x" * 20_000]
        metrics = [Metric(f"value_{number}", value) for number, value in enumerate(values)]
        make_tracker().log_metrics(run_id, TAG, "check", metrics)
        if read_back is not None:
            assert read_back(run_id).parameters["value_0"] == "pässed"

    def test_two_steps_may_track_the_same_name_with_different_text(
        self,
        run_id: str,
        make_tracker: Callable[[], ExperimentTracker],
        read_back: Callable[[str], Tracked] | None,
    ) -> None:
        """Neither is lost, though a parameter may be settable once only."""
        make_tracker().log_metrics(run_id, TAG, "first", [Metric("model", "tree")])
        make_tracker().log_metrics(run_id, TAG, "second", [Metric("model", "forest")])
        if read_back is not None:
            assert {"tree", "forest"} <= set(read_back(run_id).parameters.values())

    def test_parameters_of_the_run_are_kept(
        self,
        run_id: str,
        make_tracker: Callable[[], ExperimentTracker],
        read_back: Callable[[str], Tracked] | None,
    ) -> None:
        """Any JSON value and more than a hundred of them, names with odd characters too."""
        parameters: dict[str, Any] = {f"p{number}": number for number in range(150)}
        make_tracker().log_parameters(run_id, TAG, {**parameters, "ünï:code@": {"a": [1]}})
        if read_back is not None:
            kept = read_back(run_id).parameters
            assert {name: kept[name] for name in parameters} == {
                name: str(value) for name, value in parameters.items()
            }

    @pytest.mark.parametrize("succeeded", [True, False])
    def test_the_end_of_a_run_is_kept(
        self,
        run_id: str,
        make_tracker: Callable[[], ExperimentTracker],
        read_back: Callable[[str], Tracked] | None,
        *,
        succeeded: bool,
    ) -> None:
        """Also when nothing was tracked."""
        make_tracker().end_run(run_id, TAG, succeeded=succeeded)
        if read_back is not None:
            assert read_back(run_id).succeeded is succeeded

    def test_clients_that_meet_for_the_first_time_share_one_run(
        self,
        run_id: str,
        make_tracker: Callable[[], ExperimentTracker],
        read_back: Callable[[str], Tracked] | None,
    ) -> None:
        """Branches in other processes may be the first to track anything, all at the same time."""

        def track(number: int) -> None:
            make_tracker().log_metrics(run_id, TAG, f"branch {number}", [Metric(f"m{number}", number)])

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(track, range(6)))
        if read_back is not None:
            tracked = read_back(run_id)
            assert tracked.runs == 1
            assert tracked.metrics == {f"m{number}": [(0, float(number))] for number in range(6)}

    def test_the_client_context_can_be_entered_and_left(
        self, run_id: str, make_tracker: Callable[[], ExperimentTracker]
    ) -> None:
        """A task asks for it whatever tracker is configured; what the task raises comes out."""
        tracker = make_tracker()
        with tracker.client_context(run_id, TAG):
            pass
        with pytest.raises(ZeroDivisionError), tracker.client_context(run_id, TAG):
            raise ZeroDivisionError
