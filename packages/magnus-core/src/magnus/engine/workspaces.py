"""The folders in which steps work: one for each branch, so that no branch meets the files of another.

A branch finds the entries of the project folder as links; its data folder is real, private, and empty but for what it gets.
A folder that is no longer needed serves the next branch: to make its links anew would cost more than a small step.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from magnus.domain.capabilities import Isolation
from magnus.engine.branch_folder import BranchFolder
from magnus.engine.temporary import make_folder, unmark_folder
from magnus.errors import ExecutionError
from magnus.ports.executor import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        self, isolation: Isolation, project: str, *, shared_base: str = "", fixed: str = "", run_id: str = ""
    ) -> None:
        """Make no folder yet.

        Args:
            isolation: How far a folder of its own goes.
            project: Absolute path of the folder in which the run was started.
            shared_base: The folder that the folders are made in where other processes of the run find them by their names;
                empty for folders that only this process knows.
            fixed: The one folder for all steps of this process, which another one has made; empty for none.
            run_id: The run, with which the folders are marked.
        """
        self._isolation = isolation
        self.project = project
        self._base = shared_base
        self._is_shared = bool(shared_base)
        self._fixed = fixed or project
        self._run_id = run_id
        self._open: dict[str, BranchFolder] = {}
        self._free: list[BranchFolder] = []
        self._stored: dict[str, set[str]] = {}
        self._failed: set[str] = set()
        self._leftovers: dict[str, _Leftovers] = {}
        self._made = 0

    def of(self, job: Job, data_folder: str) -> Workspace:
        """Return the folder of *job*, made if this is the first attempt in it.

        Raises:
            ExecutionError: The data folder lies outside of the project, so that a branch cannot have one of its own.
        """
        key = self._key(job)
        if key is None:
            return Workspace(self._fixed, os.path.join(self._fixed, data_folder))
        if os.path.isabs(data_folder) or os.path.normpath(data_folder).startswith(".."):
            message = (
                f"the compute_data_folder '{data_folder}' is outside of the project, so branches cannot have it to themselves; "
                "give a path relative to the project"
            )
            raise ExecutionError(message)
        folder = self._open.get(key) or self._begin(key)
        return Workspace(folder.path, folder.private(data_folder))

    def note_stored(self, job: Job, names: Iterable[str]) -> None:
        """Note the files that the catalog has brought or stored: they are not left behind."""
        key = self._key(job)
        if key is not None:
            self._stored.setdefault(key, set()).update(names)

    def attempt_ended(self, job: Job, *, failed: bool) -> None:
        """Note the end of an attempt; a folder of a step is given up with it."""
        key = self._key(job)
        if key is None:
            return
        if failed:
            self._failed.add(key)
        if self._isolation is Isolation.STEP:
            self._end(key, job.step_name)

    def branch_ended(self, branch: str) -> str:
        """Give up the folder of a branch; return its path if it is kept because a step of it has failed."""
        if branch not in self._open:
            return ""
        return self._end(branch, branch.rpartition(".")[0])

    def take_leftovers(self, node: str) -> str:
        """Return a sentence on the files that the branches of *node*, or the step *node*, have left; empty for none."""
        found = self._leftovers.pop(node, None)
        if found is None:
            return ""
        names = list(found.names)
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        who = "branch" if found.branches == 1 else "branches"
        return (
            f"{found.branches} {who} of '{node}' left files that are not in the catalog: "
            f"{', '.join(names[:_NAMES_SHOWN])}{more}; list them under `put:` to keep them"
        )

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

    def remove(self, branch: str) -> None:
        """Remove the folder of a branch, or of the outermost graph (`""`), that other processes have worked in."""
        if self._is_shared:
            shutil.rmtree(self._path_of(branch), ignore_errors=True)
            with suppress(OSError):  # it holds folders of other branches
                os.rmdir(self._base)

    def _key(self, job: Job) -> str | None:
        """Return what the folder of *job* is known by; None where it works in the project folder."""
        if self._isolation is Isolation.NONE:
            return None
        if self._isolation is Isolation.STEP:
            return f"{job.step_name}.{job.attempt_number}"
        branch = job.scopes[-1] if job.scopes else ""
        return branch if branch or self._isolation is Isolation.RUN else None

    def _begin(self, key: str) -> BranchFolder:
        if self._is_shared:
            _make_own(self._base)
            folder = BranchFolder(self._path_of(key), self.project)
        elif self._free:
            folder = self._free.pop()
        else:
            self._made += 1
            folder = BranchFolder(f"{self._own_base()}/{self._made}", self.project)
        folder.prepare()
        self._open[key] = folder
        return folder

    def _end(self, key: str, node: str) -> str:
        folder = self._open.pop(key)
        stored = self._stored.pop(key, set())
        if key in self._failed:
            self._failed.discard(key)
            return folder.path
        if self._is_shared:
            return ""
        left = folder.clear(stored)
        if left:
            found = self._leftovers.setdefault(node, _Leftovers())
            found.branches += 1
            found.names.update(dict.fromkeys(left))
        self._free.append(folder)
        return ""

    def _own_base(self) -> str:
        if not self._base:
            self._base = make_folder("magnus-work-", self._run_id)
        return self._base

    def _path_of(self, key: str) -> str:
        return f"{self._base}/{sha256(key.encode(errors='replace')).hexdigest()[:32]}"


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


def remove_folder(path: str) -> None:
    """Remove a folder with everything in it, as far as that is possible."""
    with suppress(OSError):
        shutil.rmtree(path, ignore_errors=True)


def shared_base(run_id: str) -> str:
    """Return the folder in which the processes of a run that nobody traverses find the folders of its branches."""
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return f"{tempfile.gettempdir()}/magnus-work-{user}-{run_id}"
