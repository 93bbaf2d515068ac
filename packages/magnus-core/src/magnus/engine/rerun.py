"""What a re-run may skip. Pure: decides from the steps of the earlier run, touches nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.domain.run_log import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from magnus.domain.parameters import Values
    from magnus.domain.run_log import StepLog


class Rerun(NamedTuple):
    """The run that is continued.

    Attributes:
        original_run_id: Its id.
        steps: Its steps by internal name, without branches.
        branches: The internal names of the branches that each of its composite steps had.
        outputs: Returns what one of its steps had put into the parameters.
        explicit: The names of parameters that the user gave for the re-run: what a skipped step had set never
            replaces those.
    """

    original_run_id: str
    steps: Mapping[str, StepLog]
    branches: Mapping[str, set[str]]
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

    def had_joined(self, internal_name: str, branches: Sequence[str], outputs: Mapping[str, Any]) -> bool:
        """Whether a composite step had succeeded with the same branches, which had left the same.

        Args:
            internal_name: The step.
            branches: The internal names of its branches now.
            outputs: What they leave together, as it stands in a record.
        """
        old = self.steps.get(internal_name)
        if old is None or old.status is not Status.SUCCESS or old.output_parameters != outputs:
            return False
        return self.branches.get(internal_name, set()) == set(branches)

    def message(self) -> str:
        """Return what the log of a skipped step says."""
        return f"succeeded in run {self.original_run_id}, not run again"
