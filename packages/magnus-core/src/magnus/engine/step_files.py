"""The files of one attempt at a step in the catalog: scopes of names, staging, and the record of each file."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import finalize

from magnus.domain.file_scopes import (
    Found,
    Place,
    ScopedEntries,
    attempt_token,
    is_reserved,
    shown,
    staged_name,
    stored_name,
)
from magnus.domain.names import parent
from magnus.domain.run_log import DataCatalog
from magnus.domain.wording import first_of
from magnus.engine.catalog_sync import compile_pattern, find_files, pattern_in
from magnus.errors import ExecutionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from magnus.domain.nodes import CatalogSettings
    from magnus.engine.context import RunContext
    from magnus.ports.catalog import Catalog, CatalogEntry

_NAMES_SHOWN = 5


class _RunFiles:
    """The entries of one run, indexed by scope; reads only what has changed since the last time."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.lock = threading.RLock()
        self._mark: object | None = None
        self.entries: ScopedEntries[CatalogEntry] = ScopedEntries()

    def read(self, catalog: Catalog, run_id: str) -> ScopedEntries[CatalogEntry]:
        """Return the index as the catalog is now; the caller holds the lock as long as it uses it."""
        changes = catalog.read_changes(run_id, self._mark)
        if changes.is_complete:
            self.entries = ScopedEntries()
        for name in changes.removed:
            self.entries.remove(name)
        for entry in changes.changed:
            self.entries.add(entry.name, entry)
        self._mark = changes.mark
        return self.entries


@contextmanager
def reading(
    catalog: Catalog, run_id: str, *, as_known: bool = False
) -> Iterator[ScopedEntries[CatalogEntry]]:
    """Lend the index over the entries of a run; other threads wait.

    Args:
        catalog: The catalog.
        run_id: The run.
        as_known: Lend it as it was when it was last read in this process, instead of as the catalog is now.
    """
    with _runs_lock:
        if id(catalog) not in _runs:
            # By identity: a catalog may be of a class whose objects are compared by value, and have no hash.
            _runs[id(catalog)] = {}
            finalize(catalog, _runs.pop, id(catalog), None).atexit = False
        files = _runs[id(catalog)].setdefault(run_id, _RunFiles())
    with files.lock:
        yield files.entries if as_known else files.read(catalog, run_id)


_runs: dict[int, dict[str, _RunFiles]] = {}
_runs_lock = threading.Lock()


class StepFiles:
    """Gets, puts and stages files for one attempt at a step, in the process that runs it or in a child process.

    A file that the task stores while it runs is staged: this attempt and its child processes see it, and it counts once the
    attempt has succeeded. The records of files have the names that the step knows, the same on every executor.
    """

    def __init__(
        self,
        catalog: Catalog,
        run_id: str,
        step_name: str,
        attempt_number: int,
        scopes: Sequence[str] = (),
        *,
        token: str = "",
        warn: Callable[[str], None] | None = None,
    ) -> None:
        """Serve an attempt.

        Args:
            catalog: The catalog.
            run_id: The run.
            step_name: The step's internal name.
            attempt_number: The attempt, from 1.
            scopes: The isolating branches around the step, outermost first.
            token: The `token` of the process that runs the attempt, in a child process of it.
            warn: Called with each thing that a person should know.
        """
        self._catalog = catalog
        self._run_id = run_id
        self._place = Place(parent(step_name), tuple(scopes))
        self._kept: set[str] = set()
        self._has_read = False
        self.project = ""
        """The project, where the folder of the step has links to its entries, which are never put; else empty."""
        self.may_have_staged = False
        """True as soon as this process has staged a file, or a child process that may do so has been started."""
        self._warn = warn or _ignore
        # Not the same for an attempt that a lost host began before: its files must not count as those of this one.
        self.token = token or f"{attempt_token(step_name, attempt_number)}.{os.urandom(4).hex()}"

    def get(self, folder: Path, settings: CatalogSettings) -> list[DataCatalog]:
        """Bring what the `get` and `optional` patterns of *settings* mean to *folder*.

        Returns:
            One record of stage `get` for each file, ordered by name; a file that two patterns mean is there once.

        Raises:
            ExecutionError: A `get` pattern that is not `optional` as well matches nothing, or branches have put a name with
                different contents.
            CatalogError: The catalog could not bring a file.
        """
        patterns = dict.fromkeys((*settings.get, *settings.optional))
        if not patterns:
            return []
        found: dict[str, CatalogEntry] = {}
        self._has_read = True
        with reading(self._catalog, self._run_id) as entries:
            for pattern in patterns:
                selected = self._find(entries, pattern)
                if not selected and pattern not in settings.optional and not self._catalog.stores_nothing:
                    raise ExecutionError(self._nothing_to_get(pattern, entries))
                found.update((each.name, each.entry._replace(name=each.name)) for each in selected)
        wanted = [found[name] for name in sorted(found)]
        if wanted:
            self._catalog.get(self._run_id, folder, wanted)
        return _records(wanted, "get")

    def put(self, folder: Path, patterns: Iterable[str], *, staged: bool = False) -> list[DataCatalog]:
        """Store the files in *folder* that *patterns* mean.

        Returns:
            One record of stage `put` for each file, ordered by name; a file that two patterns mean is there once.

        Raises:
            ExecutionError: A pattern without wildcards names nothing, or a link that leads out of *folder*. A glob that
                matches nothing is a warning: there may be any number of files.
            CatalogError: The catalog could not store a file.
        """
        found: set[str] = set()
        for pattern in patterns:
            passed_over: dict[str, str] = {}
            names = find_files(folder, [pattern], passed_over)
            if not names and pattern_in(folder, pattern).is_literal and not (folder / pattern).is_dir():
                raise ExecutionError(
                    f"the step should have left {pattern!r} in {folder}, to be put in the catalog, but there is no such "
                    "file or folder; write the file there, or use a glob if it may be missing"
                )
            self._warn_of(pattern, folder, names, passed_over)
            found.update(names)
        return self.put_names(folder, sorted(found), staged=staged)

    def put_names(self, folder: Path, names: Sequence[str], *, staged: bool = False) -> list[DataCatalog]:
        """Store files by name, whatever characters the names hold.

        Returns:
            One record of stage `put` for each of *names*.

        Raises:
            ExecutionError: A name is reserved.
            CatalogError: The catalog could not store a file.
        """
        if not names:
            return []
        if reserved := [name for name in names if is_reserved(name)]:
            raise ExecutionError(
                f"the catalog keeps the folder {reserved[0].partition('/')[0]!r} for itself, so the step cannot put "
                f"{reserved[0]!r}; write the file to another folder"
            )
        stored = {stored_name(self._place.scope, name): name for name in names}
        if staged:
            self.may_have_staged = True
            stored = {staged_name(self.token, name): path for name, path in stored.items()}
        entries = self._catalog.put_as(self._run_id, folder, stored)
        if not staged:
            self._forget_marks(stored)
        plain = [entry._replace(name=name) for entry, name in zip(entries, stored.values(), strict=True)]
        return _records(plain, "put")

    def keep(self, folder: Path, name: str) -> list[DataCatalog]:
        """Store a file that is kept whether the attempt succeeds or not."""
        self._kept.add(stored_name(self._place.scope, name))
        return self.put_names(folder, [name], staged=True)

    def publish(self) -> None:
        """Let what was staged count: the attempt has succeeded.

        Raises:
            CatalogError: The catalog could not record it.
        """
        self._end(only_kept=False)

    def drop(self, records: Sequence[DataCatalog]) -> list[DataCatalog]:
        """Forget what was staged, but for what is kept, which counts as the step's log: the attempt has failed.

        Returns:
            Those of *records* that are true of a failed attempt.

        Raises:
            CatalogError: The catalog could not record it.
        """
        self._end(only_kept=True)
        as_log = [
            record._replace(stage="log")
            for record in records
            if record.stage == "put" and stored_name(self._place.scope, record.name) in self._kept
        ]
        return [record for record in records if record.stage != "put"] + as_log

    def _end(self, *, only_kept: bool) -> None:
        if self._catalog.stores_nothing or not self.may_have_staged:
            return
        with reading(self._catalog, self._run_id) as entries:
            staged = dict(entries.staged(self.token))
            counting = {name: entry for name, entry in staged.items() if not only_kept or name in self._kept}
            marks = [mark for name in counting for mark in entries.marks_of(name)]
        if not staged:
            return
        self._catalog.change_entries(
            self._run_id,
            [entry._replace(name=name) for name, entry in counting.items()],
            [*(staged_name(self.token, name) for name in staged), *marks],
        )

    def _forget_marks(self, stored: Iterable[str]) -> None:
        """Let own entries that were put anew win over those of branches again."""
        if self._catalog.stores_nothing:
            return
        # The node that such a mark is about was joined before this step began.
        with reading(self._catalog, self._run_id, as_known=self._has_read) as entries:
            marks = [mark for name in stored for mark in entries.marks_of(name)]
        self._has_read = True
        if marks:
            self._catalog.change_entries(self._run_id, [], marks)

    def _find(self, entries: ScopedEntries[CatalogEntry], text: str) -> list[Found[CatalogEntry]]:
        """Return what the step means by the pattern *text*: what the attempt itself has staged wins."""
        place = self._place
        prefix = stored_name(place.scope, "")
        staged = {name.removeprefix(prefix): entry for name, entry in entries.staged(self.token).items()}
        if text in staged:
            return [Found(text, staged[text])]
        exact = entries.find_exactly(text, place)
        if exact is not None:
            return [Found(text, exact)]
        pattern = compile_pattern(text)
        nearer = {name: entry for name, entry in staged.items() if pattern.matches(name)}
        return entries.find(pattern, place, nearer)

    def _nothing_to_get(self, pattern: str, entries: ScopedEntries[CatalogEntry]) -> str:
        names = [shown(name) for name in entries.visible(self._place, _NAMES_SHOWN)]
        held = ", ".join(names) or "no file"
        more = entries.count_visible(self._place) - len(names)
        ending = f" and {more} more" if more > 0 else ""
        return (
            f"nothing that {pattern!r} means is in the catalog of run {self._run_id}, which holds {held}{ending}; "
            "let a step before this one put it, or list the pattern under 'optional' if it may be missing"
        )

    def _warn_of(
        self, pattern: str, folder: Path, names: Sequence[str], passed_over: Mapping[str, str]
    ) -> None:
        if names and not passed_over:
            return
        met = [
            f"{name} ({kind})"
            for name, kind in sorted(passed_over.items())
            if not (self.project and _leads_to(f"{folder}/{name}", f"{self.project}/{name}"))
        ]
        if names and not met:
            return
        over = f"passed over {first_of(met, _NAMES_SHOWN)}" if met else ""
        if names:
            self._warn(f"the put pattern {pattern!r} {over}: only regular files inside {folder} are put")
        else:
            ending = f"; it {over}" if met else ""
            self._warn(f"the put pattern {pattern!r} matches no file in {folder}{ending}")


def _leads_to(path: str, target: str) -> bool:
    try:
        return str(Path(path).readlink()) == target
    except OSError:
        return False


def _ignore(message: str) -> None:
    """Do nothing with a warning."""


def drop_staged(catalog: Catalog, run_id: str, step_name: str, attempt_number: int) -> None:
    """Forget what an attempt staged whose process was lost or stopped.

    Raises:
        CatalogError: The catalog could not record it.
    """
    if catalog.stores_nothing:
        return
    with reading(catalog, run_id) as entries:
        names = entries.staged_by(attempt_token(step_name, attempt_number))
    if names:
        catalog.change_entries(run_id, [], names)


def forget_all_staged(catalog: Catalog, run_id: str) -> None:
    """Remove what attempts had staged from a run that has taken over the entries of another one.

    Raises:
        CatalogError: The catalog could not record it.
    """
    with reading(catalog, run_id) as entries:
        names = entries.all_staged()
    if names:
        catalog.change_entries(run_id, [], names)


def forget_joins(context: RunContext, nodes: Iterable[str]) -> None:
    """Forget what the joins of *nodes* have marked, in a re-run in which these nodes are still to come.

    Raises:
        CatalogError: The catalog could not record it.
    """
    catalog, run_id = context.services.catalog, context.run_id
    # What was taken over from the other run was read when that was done, and nobody else makes marks meanwhile.
    with reading(catalog, run_id, as_known=True) as entries:
        names = entries.marks_by(nodes)
    if names:
        catalog.change_entries(run_id, [], names)


def join_files(
    context: RunContext, node: str, branches: Sequence[str], scopes: Sequence[str], *, has_run: bool = True
) -> None:
    """Let the graph around see what the branches of *node*, which has ended, have put.

    An own entry of the graph that branches have put as well is marked: it no longer hides theirs, until it is put anew. What a
    run that is continued had put in branches that there are no more is forgotten.

    Args:
        context: The run.
        node: The internal name of the composite step.
        branches: The internal names of its branches.
        scopes: The isolating branches around the node.
        has_run: False where a re-run has skipped all inside: the marks of the other run are still true.

    Raises:
        CatalogError: The catalog could not record it.
    """
    catalog, run_id = context.services.catalog, context.run_id
    if catalog.stores_nothing:
        return
    with reading(catalog, run_id) as entries:
        left_over = entries.left_over(node, branches)
        marks = entries.collisions(node, Place(parent(node), tuple(scopes)).scope) if has_run else {}
    if left_over or marks:
        changed = [entry._replace(name=name) for name, entry in marks.items()]
        catalog.change_entries(run_id, changed, left_over)


def _records(entries: Iterable[CatalogEntry], stage: str) -> list[DataCatalog]:
    return [DataCatalog(entry.name, entry.data_hash, entry.size, stage, entry.location) for entry in entries]
