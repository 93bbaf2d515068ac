"""What a re-run may skip. Pure: decides from the steps of the earlier run, touches nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from magnus.domain.run_log import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magnus.domain.parameters import Values
    from magnus.domain.run_log import StepLog


class Rerun(NamedTuple):
    """The run that is continued.

    Attributes:
        original_run_id: Its id.
        steps: Its steps by internal name, without branches.
        outputs: Returns what one of its steps had put into the parameters.
        explicit: The names of parameters that the user gave for the re-run: what a skipped step had set never
            replaces those.
    """

    original_run_id: str
    steps: Mapping[str, StepLog]
    outputs: Callable[[StepLog], Values]
    explicit: frozenset[str] = frozenset()

    def may_skip(self, internal_name: str, work_hash: str, *, something_ran_before: bool) -> bool:
        """Whether a step counts as done: it had succeeded, does the same work, and nothing before it ran again."""
        if something_ran_before:
            return False
        old = self.steps.get(internal_name)
        return old is not None and old.status is Status.SUCCESS and old.work_hash == work_hash

    def work_changed(self, internal_name: str, work_hash: str) -> bool:
        """Whether a step that was there before now does other work."""
        old = self.steps.get(internal_name)
        return old is not None and old.work_hash != work_hash

    def message(self) -> str:
        """Return what the log of a skipped step says."""
        return f"succeeded in run {self.original_run_id}, not run again"
