"""The port for stores of run logs."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from magnus.ports.service import Service

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from magnus.domain.records import Record, RecordKind


class RunLogStore(Service):
    """Keeps the records of runs.

    A store knows nothing of steps: the schema of the run log is the core's, the same in every store. It promises:

    - Writing costs the same for the first record of a run as for its ten-thousandth.
    - A record is written whole or not at all; no reader ever sees a part of one, and a process killed at any moment leaves
      everything readable that was written before.
    - A record replaces the one of the same kind and name. Two processes may write different records of one run at the same
      time with nothing lost, if the capabilities say `concurrent_writers`.
    - Names are any text: dots, slashes, glob characters, unicode, 1,000 characters long.

    Methods are called from one thread at a time for each instance; several instances may be used at once, in one process
    and in several. Failures of the store are raised as `ServiceError`.
    """

    @abstractmethod
    def create_run(self, run_id: str, records: Sequence[Record]) -> None:
        """Begin a run with its first records, durably.

        Raises:
            RunLogExistsError: The run exists; nothing was changed. Of two callers at the same time exactly one succeeds.
        """

    @abstractmethod
    def put(self, run_id: str, records: Sequence[Record], *, durable: bool = True) -> None:
        """Write *records* in the order given.

        Once it returns they are visible to every other instance and survive the death of this process; with *durable* also
        a power cut, as far as the service can promise that.
        A failure leaves a prefix of *records* at most, never a part of one.

        Raises:
            RunLogNotFoundError: No such run.
        """

    def put_in_any_order(self, run_id: str, records: Sequence[Record]) -> None:
        """Write *records* of different names as `put` does, but not durably, and in any order.

        A failure leaves any of *records*, never a part of one. May be overridden by a store to which each write is a way
        of its own: they can go at the same time.
        """
        self.put(run_id, records, durable=False)

    @abstractmethod
    def get(self, run_id: str, kind: RecordKind, name: str) -> str | None:
        """Return the body of the newest record of that kind and name; None where there is none.

        Raises:
            RunLogNotFoundError: No such run.
        """

    def get_many(self, run_id: str, kind: RecordKind, names: Sequence[str]) -> dict[str, str]:
        """Return by name the bodies of the records that there are, each as `get` does; likewise to be overridden."""
        found = {name: self.get(run_id, kind, name) for name in names}
        return {name: body for name, body in found.items() if body is not None}

    @abstractmethod
    def scan(self, run_id: str, kinds: Collection[RecordKind] | None = None) -> Iterator[Record]:
        """Yield the newest record for each kind and name, in the order in which the names were first written.

        What is written while the caller iterates may be left out. Stores without an order of their own may
        order the records of one kind by name.

        Args:
            run_id: The run.
            kinds: Only these; None for all.

        Raises:
            RunLogNotFoundError: No such run.
        """

    @abstractmethod
    def list_runs(self) -> Iterator[str]:
        """Yield the ids of all runs, in any order. A store that was never written to has none."""

    @abstractmethod
    def delete_run(self, run_id: str) -> None:
        """Remove a run and all its records. A killed deletion leaves the run whole or gone, or deletable again.

        Raises:
            RunLogNotFoundError: No such run.
        """
