"""The folders in which steps work: one for each branch, so that no branch meets the files of another.

A branch finds the entries of the project folder as links; its data folder is real, private, and empty but for what it gets.
A folder that is no longer needed serves the next branch: to make its links anew would cost more than a small step.
"""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from magnus.domain.capabilities import Isolation
from magnus.domain.file_patterns import leads_out
from magnus.domain.file_scopes import address
from magnus.domain.wording import first_of
from magnus.engine.branch_folder import BranchFolder, remove_folder
from magnus.engine.temporary import make_folder, unmark_folder
from magnus.errors import ExecutionError
from magnus.ports.executor import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magnus.domain.graph import Graph
    from magnus.domain.jobs import Job
    from magnus.engine.context import RunContext

_NAMES_SHOWN = 5


class _Leftovers:
    """Files that the branches of one composite node left behind."""

    def __init__(self) -> None:
        self.branches = 0
        self.names: dict[str, None] = {}


class Workspaces:
    """The folders of one run."""

    def __init__(
        self,
        isolation: Isolation,
        project: str,
        *,
        data_folders: Iterable[str] = (),
        shared_base: str = "",
        fixed: str = "",
        keeps_failed: bool = True,
        run_id: str = "",
    ) -> None:
        """Make no folder yet.

        Args:
            isolation: How far a folder of its own goes.
            project: Absolute path of the folder in which the run was started.
            data_folders: Names of all data folders of the run; each folder has all of them to itself.
            shared_base: The folder that the folders are made in where other processes of the run find them by their names;
                empty for folders that only this process knows.
            fixed: The one folder for all steps of this process, which another one has made; empty for none.
            keeps_failed: True if the folder of a branch in which a step has failed is kept.
            run_id: The run, with which the folders are marked.
        """
        self._isolation = isolation
        self.project = project
        self._data_folders = [name for name in dict.fromkeys(data_folders) if not leads_out(name)]
        self._base = shared_base
        self._is_shared = bool(shared_base)
        self._fixed = fixed or project
        self._keeps_failed = keeps_failed
        self._run_id = run_id
        self._open: dict[str, BranchFolder] = {}
        self._free: list[BranchFolder] = []
        self._stored: dict[str, set[str]] = {}
        self._failed: dict[str, set[str]] = {}
        self._leftovers: dict[str, _Leftovers] = {}
        self._made = 0

    def of(self, job: Job, data_folder: str) -> Workspace:
        """Return the folder of *job*, made if this is the first attempt in it.

        Raises:
            ExecutionError: The data folder is outside of the project, so that a branch cannot have one of its own; or the
                folder cannot be made.
        """
        key = self._key(job)
        if key is None:
            return Workspace(self._fixed, os.path.join(self._fixed, data_folder))
        if leads_out(data_folder):
            message = (
                f"the compute_data_folder '{data_folder}' is outside of the project, so branches cannot have it to themselves; "
                "give a path relative to the project"
            )
            raise ExecutionError(message)
        folder = self._open.get(key) or self._begin(key)
        return Workspace(folder.path, folder.private(data_folder))

    def is_private(self, job: Job) -> bool:
        """Return True if *job* has a folder of its own, where other entries than its own are links into the project."""
        return self._key(job) is not None

    def note_stored(self, job: Job, names: Iterable[str]) -> None:
        """Note the files that the catalog has brought or stored: they are not left behind."""
        key = self._key(job)
        if key is not None:
            self._stored.setdefault(key, set()).update(names)

    def attempt_ended(self, job: Job, *, failed: bool) -> str:
        """Note the end of an attempt; a folder of a step is given up with it.

        Returns:
            The path of that folder if it is kept because the attempt has failed; otherwise an empty text.
        """
        key = self._key(job)
        if key is None:
            return ""
        if failed:
            self._failed.setdefault(key, set()).add(job.step_name)
        elif key in self._failed:  # an earlier attempt had failed
            self._failed[key].discard(job.step_name)
        if self._isolation is Isolation.STEP and key in self._open:
            return self._end(key, job.step_name)
        return ""

    def branch_ended(self, branch: str, *, is_stopped: bool = False) -> str:
        """Give up the folder of a branch, or of the outermost graph (`""`); other processes may still use a shared one.

        Returns:
            Its path if it is kept because a step of it has failed; otherwise an empty text.
        """
        if branch not in self._open:
            return ""
        if is_stopped:
            self._failed.pop(branch, None)
        return self._end(branch, branch.rpartition(".")[0])

    def take_leftovers(self) -> list[str]:
        """Return a sentence for each node whose branches have left files that are not in the catalog."""
        sentences = []
        for node, found in self._leftovers.items():
            sentences.append(
                f"{_who(node, found.branches, self._isolation)} left files that are not in the catalog: "
                f"{first_of(list(found.names), _NAMES_SHOWN)}; list them under `put:` to keep them"
            )
        self._leftovers.clear()
        return sentences

    def close(self) -> None:
        """Remove all folders but those that are kept."""
        if self._is_shared or not self._base:
            return
        for key in list(self._open):
            self._end(key, "")
        for folder in self._free:
            remove_folder(folder.path)
        unmark_folder(self._base)
        with suppress(OSError):  # it holds folders that are kept
            os.rmdir(self._base)

    def remove(self, branch: str, stored: Iterable[str] = ()) -> None:
        """Remove the folder of a branch, or of the outermost graph (`""`), that other processes have worked in.

        Args:
            branch: The internal name of the branch.
            stored: Names of the files that the catalog has brought or stored.
        """
        if not self._is_shared:
            return
        path = self._path_of(branch)
        if os.path.isdir(path):
            left = BranchFolder(path, self.project, self._data_folders).clear(set(stored))
            self._note_left(branch.rpartition(".")[0], left)
            remove_folder(path)
        with suppress(OSError):  # it holds folders of other branches
            os.rmdir(self._base)

    def begin_anew(self, branch: str) -> None:
        """Remove the folder that an earlier run with the same id may have left for a branch that is opened now."""
        if path := self.kept(branch):
            remove_folder(path)

    def kept(self, branch: str) -> str:
        """Return the path of the folder that other processes have worked in for a branch; empty if there is none."""
        path = self._path_of(branch) if self._is_shared else ""
        return path if path and os.path.isdir(path) else ""

    def _key(self, job: Job) -> str | None:
        """Return the key of the folder of *job*; None where it works in the project folder."""
        if self._isolation is Isolation.NONE:
            return None
        if self._isolation is Isolation.STEP:
            return f"{job.step_name}.{job.attempt_number}"
        branch = job.scopes[-1] if job.scopes else ""
        return branch if branch or self._isolation is Isolation.RUN else None

    def _begin(self, key: str) -> BranchFolder:
        if self._is_shared:
            _make_own(self._base)
            folder = BranchFolder(self._path_of(key), self.project, self._data_folders)
        elif self._free:
            folder = self._free.pop()
        else:
            self._made += 1
            folder = BranchFolder(f"{self._own_base()}/{self._made}", self.project, self._data_folders)
        folder.prepare()
        self._open[key] = folder
        return folder

    def _end(self, key: str, node: str) -> str:
        folder = self._open.pop(key)
        stored = self._stored.pop(key, set())
        failed = self._failed.pop(key, None)
        if failed and self._keeps_failed:
            return folder.path
        if self._is_shared:
            return ""
        left = folder.clear(stored)
        self._note_left(node, left)
        if folder.is_clean:
            self._free.append(folder)
        else:
            remove_folder(folder.path)
        return ""

    def _note_left(self, node: str, left: Iterable[str]) -> None:
        names = dict.fromkeys(left)
        if names:
            parts = node.split(".")
            found = self._leftovers.setdefault(".".join(parts[::2]), _Leftovers())
            found.branches += 1
            found.names.update(names)

    def _own_base(self) -> str:
        if not self._base:
            try:
                self._base = make_folder("magnus-work-", self._run_id)
            except OSError as error:
                message = f"cannot make a folder for the files of branches: {error}; set TMPDIR to a folder with room"
                raise ExecutionError(message) from error
        return self._base

    def _path_of(self, key: str) -> str:
        return f"{self._base}/{sha256(key.encode(errors='replace')).hexdigest()[:32]}"


def _who(node: str, count: int, isolation: Isolation) -> str:
    if not node:
        return "the outermost graph"
    if isolation is Isolation.STEP:
        return f"{count} {'attempt' if count == 1 else 'attempts'} of '{node}'"
    return f"{count} {'branch' if count == 1 else 'branches'} of '{node}'"


def kept_files(branch: str, path: str) -> str:
    """Return the sentence on the folder of *branch*, or of the outermost graph (`""`), which is kept in *path*."""
    who = f"branch '{address(branch)}'" if branch else "the outermost graph"
    return f"the files of {who} are kept in {path}"


def data_folders_of(graph: Graph, default: str) -> list[str]:
    """Return the data folders that the steps of *graph* name, and that of the catalog, *default*."""
    named = (
        node.catalog.compute_data_folder
        for _, node in graph.walk()
        if node.catalog is not None and node.catalog.compute_data_folder
    )
    return list(dict.fromkeys((default, *named)))


def _make_own(path: str) -> None:
    """Make the folder *path*, unless it is there and belongs to this user.

    Raises:
        ExecutionError: It belongs to another user, who could put anything in it.
    """
    with suppress(FileExistsError):
        os.mkdir(path, mode=0o700)
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        message = f"cannot use {path} for the files of the run: it belongs to another user, or is no folder; remove it"
        raise ExecutionError(message)


def workspace_of(context: RunContext, job: Job) -> Workspace:
    """Return the folders of *job*; raises like `Workspaces.of`."""
    settings = job.node.catalog
    data = (settings and settings.compute_data_folder) or context.services.catalog.compute_data_folder
    return context.workspaces.of(job, data)


def shared_base(run_id: str, project: str) -> str:
    """Return the folder in which the processes of a run that no process traverses find the folders of its branches.

    Runs of other projects may have the same id.
    """
    place = sha256(os.path.realpath(project).encode(errors="replace")).hexdigest()[:16]
    return f"{tempfile.gettempdir()}/magnus-work-{os.getuid()}-{place}-{run_id}"
