"""The run log store `buffered`: runs that live as long as the store itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import Reach, ServiceCapabilities
from magnus.errors import RunLogExistsError, RunLogNotFoundError
from magnus.ports.run_log_store import RunLogStore

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from magnus.domain.records import Record, RecordKind


class BufferedRunLogStore(RunLogStore):
    """Keeps runs in the memory of this process; another instance sees nothing of them."""

    def __init__(self, options: Any = None) -> None:
        """Hold no run."""
        super().__init__(options)
        # A dict keeps the place of a key that is written again, which is the order the port asks for.
        self._runs: dict[str, dict[tuple[RecordKind, str], Record]] = {}

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Reach no further than this process."""
        return ServiceCapabilities(reach=Reach.PROCESS, concurrent_writers=False, persistent=False)

    def create_run(self, run_id: str, records: Sequence[Record]) -> None:
        """See the port."""
        if run_id in self._runs:
            raise RunLogExistsError(f"the run {run_id!r} exists already; choose another run id")
        self._runs[run_id] = {(record.kind, record.name): record for record in records}

    def put(self, run_id: str, records: Sequence[Record], *, durable: bool = True) -> None:
        """See the port; memory is as durable as it can be."""
        self._run(run_id).update({(record.kind, record.name): record for record in records})

    def get(self, run_id: str, kind: RecordKind, name: str) -> str | None:
        """See the port."""
        record = self._run(run_id).get((kind, name))
        return None if record is None else record.body

    def scan(self, run_id: str, kinds: Collection[RecordKind] | None = None) -> Iterator[Record]:
        """See the port."""
        records = list(self._run(run_id).values())
        return (record for record in records if kinds is None or record.kind in kinds)

    def list_runs(self) -> Iterator[str]:
        """See the port."""
        return iter(list(self._runs))

    def delete_run(self, run_id: str) -> None:
        """See the port."""
        self._run(run_id)
        del self._runs[run_id]

    def _run(self, run_id: str) -> dict[tuple[RecordKind, str], Record]:
        try:
            return self._runs[run_id]
        except KeyError:
            raise RunLogNotFoundError(
                f"no run {run_id!r} in this process: the run log store `buffered` forgets all runs when it ends"
            ) from None
