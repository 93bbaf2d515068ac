"""What a step calls while it runs: parameters, secrets, metrics and files.

All of it works in the process that runs the step, in its threads, and in child processes of shell and notebook tasks.
What is set and tracked counts once the step has succeeded; a failed attempt leaves nothing but what it has put in the
catalog.
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magnus.domain.file_scopes import OBJECT_SUFFIX, OBJECTS
from magnus.domain.names import LONGEST_FILE_NAME, shortened
from magnus.domain.nodes import CatalogSettings
from magnus.engine.current import running_step
from magnus.errors import ExecutionError, OutsideRunError, ParametersError
from magnus.ports.experiment_tracker import Metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from magnus.engine.context import Services
    from magnus.engine.current import StepSession

_PICKLE_MARK = b"\x80"  # no JSON text begins with it
_NOT_IN_FILE_NAMES = re.compile(r"[%/\\*?\[\]{}!\x00-\x1f]|^[.\s~-]|\s$")


def get_parameter(name: str | None = None) -> Any:
    """Return the value of the parameter *name*, or a dict of all parameters.

    The value is a copy: to change the parameter, call `set_parameter`.

    Raises:
        ParameterNotFoundError: There is none of that name.
        OutsideRunError: No step is running.
    """
    return _session("get_parameter").get_parameter(name)


def set_parameter(**values: Any) -> None:
    """Set parameters for the steps that follow, and for the rest of this one.

    Raises:
        ParametersError: A value is not a JSON value; none is set.
        OutsideRunError: No step is running.
    """
    _session("set_parameter").set_parameters({name: _plain(value) for name, value in values.items()})


def store_parameter(update: bool = True, **values: Any) -> None:  # noqa: FBT001, FBT002 - as it was always called
    """Set parameters, as `set_parameter` does, under its older name.

    Args:
        update: False leaves a parameter that is set already as it is.
        values: The parameters.
    """
    session = _session("store_parameter")
    if not update:
        known = session.get_parameter()
        values = {name: value for name, value in values.items() if name not in known}
    session.set_parameters({name: _plain(value) for name, value in values.items()})


def get_secret(name: str | None = None) -> Any:
    """Return the secret *name* as text, or a dict of all where the secrets manager can list them.

    From now on the value is hidden in whatever magnus writes: output, messages, parameters.

    Raises:
        SecretNotFoundError: There is none of that name.
        ServiceError: The secrets manager failed, or cannot list its secrets.
        OutsideRunError: No step is running.
    """
    return _session("get_secret").get_secret(name)


def track_this(step: int = 0, **values: Any) -> None:
    """Track metrics: they are in the run log, and in the experiment tracker if there is one.

    Args:
        step: A counter of your own, such as the epoch.
        values: JSON values by name; numbers of numpy and its kin are taken as plain ones, and those that JSON does not
            have as text (`NaN`, `Infinity`): a loss that became NaN is worth knowing, and ends no step.

    Raises:
        ParametersError: A value is not a JSON value.
        OutsideRunError: No step is running.
    """
    session = _session("track_this")
    metrics = [Metric(name, _finite(_plain(value)), step) for name, value in values.items()]
    for metric in metrics:
        try:
            json.dumps(metric.value, allow_nan=False)
        except (TypeError, ValueError) as error:
            message = (
                f"the metric '{metric.name}' is not a JSON value ({error}); give a number, a text or a list"
            )
            raise ParametersError(message) from error
    session.track(metrics)


def get_run_id() -> str:
    """Return the id of the run.

    Raises:
        OutsideRunError: No step is running.
    """
    return _session("get_run_id").run_id


def get_tag() -> str:
    """Return the user's mark of the run; empty if it has none.

    Raises:
        OutsideRunError: No step is running.
    """
    return _session("get_tag").tag


def get_from_catalog(name: str, destination_folder: str | os.PathLike[str] | None = None) -> list[str]:
    """Bring files of this run from the catalog, and return their names.

    Args:
        name: A name in the catalog, or a glob over names.
        destination_folder: Where to; None for the compute data folder.

    Raises:
        ExecutionError: Nothing in the catalog matches.
        CatalogError: The catalog failed.
        OutsideRunError: No step is running.
    """
    folder = None if destination_folder is None else Path(destination_folder)
    entries = _session("get_from_catalog").get_from_catalog(CatalogSettings(get=(name,)), folder)
    return [entry.name for entry in entries]


def put_in_catalog(path: str | os.PathLike[str]) -> list[str]:
    """Store files in the catalog of this run at once, and return their names there.

    Args:
        path: A file, a folder or a glob, as `open` would take it. A file in the compute data folder is named relative
            to it, another one relative to the working directory, and one outside both by its own name.

    Raises:
        ExecutionError: There is no such file.
        CatalogError: The catalog failed.
        OutsideRunError: No step is running.
    """
    session = _session("put_in_catalog")
    wanted = Path(os.path.abspath(path))  # noqa: PTH100 - a link stays a link: the catalog judges where it leads
    folders = (session.compute_data_folder.absolute(), Path.cwd(), wanted.parent)
    folder = next(folder for folder in folders if wanted.is_relative_to(folder) and wanted != folder)
    entries = session.put_in_catalog(folder, [wanted.relative_to(folder).as_posix()])
    return [entry.name for entry in entries]


def put_object(data: Any, name: str, *, allow_pickle: bool = False) -> None:
    """Store an object in the catalog of this run, for `get_object` in a later step.

    Args:
        data: Any JSON value; with *allow_pickle* anything that can be pickled. In JSON a tuple becomes a list.
        name: Under which it is found again.
        allow_pickle: Store what JSON cannot hold as a pickle. Whoever loads a pickle runs code that it names, so a
            catalog that others can write to could then run their code in your steps; `get_object` therefore wants the
            same consent.

    Raises:
        ParametersError: *data* is not a JSON value, and *allow_pickle* is not given.
        CatalogError: The catalog failed.
        OutsideRunError: No step is running.
    """
    session = _session("put_object")
    try:
        content = json.dumps(data, ensure_ascii=False, allow_nan=False).encode(errors="surrogatepass")
    except (TypeError, ValueError) as error:
        if not allow_pickle:
            message = (
                f"the object '{name}' is not a JSON value ({error}); write it to a file of its own format and use "
                "put_in_catalog, or give allow_pickle=True here and to get_object"
            )
            raise ParametersError(message) from error
        import pickle

        content = pickle.dumps(data)
    with tempfile.TemporaryDirectory(prefix="magnus-object-") as folder:
        path = Path(folder, OBJECTS, _file_name(name))
        path.parent.mkdir()
        path.write_bytes(content)
        session.put_in_catalog(Path(folder), [f"{OBJECTS}/{path.name}"])


def get_object(name: str, *, allow_pickle: bool = False) -> Any:
    """Return the object that `put_object` stored under *name* in this run.

    Args:
        name: As it was given to `put_object`. An object of a branch that has ended is also found as
            `<node>/<branch or item>/<name>`, and only so where several branches have put different ones.
        allow_pickle: Load a pickle as well. Loading it runs code that it names: allow it only where everyone who can
            write to the catalog is trusted.

    Raises:
        ExecutionError: There is no object of that name, branches have put different ones, or it is a pickle and
            *allow_pickle* is not given.
        CatalogError: The catalog failed.
        OutsideRunError: No step is running.
    """
    session = _session("get_object")
    with tempfile.TemporaryDirectory(prefix="magnus-object-") as folder:
        for wanted in _object_files(name):
            if session.get_from_catalog(CatalogSettings(optional=(wanted,)), Path(folder)):
                content = Path(folder, wanted).read_bytes()
                break
        else:
            message = f"no object '{name}' in the catalog of run {session.run_id}; let an earlier step call put_object"
            raise ExecutionError(message)
    if not content.startswith(_PICKLE_MARK):
        return json.loads(content.decode(errors="surrogatepass"))
    if not allow_pickle:
        message = (
            f"the object '{name}' is a pickle, and loading one runs code that it names; "
            "if you trust everyone who can write to the catalog, call get_object with allow_pickle=True"
        )
        raise ExecutionError(message)
    import pickle

    return pickle.loads(content)  # noqa: S301 - the caller has consented


def get_experiment_tracker_context() -> AbstractContextManager[Any]:
    """Return a context in which the experiment tracker's own client is set up for this run.

    Raises:
        OutsideRunError: No step is running.
    """
    return _session("get_experiment_tracker_context").tracker_context()


def _session(caller: str) -> StepSession:
    session = running_step.get()
    if session is not None:
        return session
    from magnus.engine.child_session import context_file_of_parent

    context_file = context_file_of_parent()
    if context_file is not None:
        return _child_session(context_file)
    message = (
        f"{caller}() was called outside a run: it works in a step that magnus runs, in its threads, in child processes "
        "of shell and notebook tasks, and after start_interactive_session()"
    )
    raise OutsideRunError(message)


@lru_cache(maxsize=1)
def _child_session(context_file: Path) -> StepSession:
    from magnus.engine.child_session import ChildSession

    return ChildSession(context_file, _open_services)


def _open_services(configuration: Mapping[str, Any]) -> Services:
    # Imported here because only a child process that uses a service needs them.
    from magnus.bootstrap import Setup
    from magnus.definition.config import config_from_mapping
    from magnus.plugins.discovery import find_plugins
    from magnus.plugins.manager import AdapterManager

    adapters = AdapterManager(find_plugins())
    return Setup(config_from_mapping(configuration, adapters), adapters).build_services()


def _file_name(name: str) -> str:
    """Return the file for the object *name*: one part of a path, and no glob."""
    if not name:
        message = "an object needs a name"
        raise ExecutionError(message)
    encoded = _NOT_IN_FILE_NAMES.sub(
        lambda match: "".join(f"%{byte:02X}" for byte in match.group().encode(errors="surrogatepass")), name
    )
    return f"{shortened(encoded, LONGEST_FILE_NAME)}{OBJECT_SUFFIX}"


def _object_files(name: str) -> Iterator[str]:
    """Yield the file of the object *name*, then the files that it names by the branches that have put them."""
    yield f"{OBJECTS}/{_file_name(name)}"
    parts = name.split("/")
    for count in range(2, len(parts), 2):
        rest = "/".join(parts[count:])
        if rest and all(parts[:count]):
            yield f"{'/'.join(parts[:count])}/{OBJECTS}/{_file_name(rest)}"


def _plain(value: Any) -> Any:
    """Return a number of numpy, or of a library like it, as a plain number."""
    if type(value) in (str, int, float, bool, list, dict):
        return value
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", None) == 0 else value


def _finite(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, float) and not math.isfinite(value) else value
