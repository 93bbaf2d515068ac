from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.builtin.do_nothing import DoNothingTracker
from magnus.testing.experiment_tracker import ExperimentTrackerContract

if TYPE_CHECKING:
    from collections.abc import Callable


class TestDoNothingTracker(ExperimentTrackerContract):
    """It accepts everything and keeps nothing."""

    @pytest.fixture
    def make_tracker(self) -> Callable[[], DoNothingTracker]:
        """Make one."""
        return DoNothingTracker

    @pytest.fixture
    def read_back(self) -> None:
        """Nothing is kept."""
        return
