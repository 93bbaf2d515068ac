"""Tests of the files of an attempt: scopes, staging and joins, with a catalog in memory."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from magnus.domain.nodes import CatalogSettings
from magnus.engine.step_files import StepFiles, drop_staged, forget_all_staged, forget_joins, join_files
from magnus.errors import CatalogError, ExecutionError
from magnus.ports.catalog import Catalog
from magnus.testing.fake_catalog import FakeCatalog

if TYPE_CHECKING:
    from pathlib import Path

RUN = "run"


class OldCatalog(FakeCatalog):
    """Has the methods that catalogs had before names had scopes, and the defaults of the port."""

    put_as = Catalog.put_as
    change_entries = Catalog.change_entries
    read_changes = Catalog.read_changes


@pytest.fixture(params=[FakeCatalog, OldCatalog])
def catalog(request: pytest.FixtureRequest) -> FakeCatalog:
    """Return an empty catalog."""
    catalog: FakeCatalog = request.param()
    return catalog


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a compute data folder."""
    path = tmp_path / "data"
    path.mkdir()
    return path


def files(catalog: Catalog, step: str, attempt: int = 1, **more: Any) -> StepFiles:
    """Return the files of a step; each branch around it isolates."""
    parts = step.split(".")
    scopes = [".".join(parts[:count]) for count in range(2, len(parts), 2)]
    return StepFiles(catalog, RUN, step, attempt, scopes, **more)


def put(step: StepFiles, folder: Path, name: str, content: str, *, staged: bool = False) -> None:
    """Let a step put one file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    assert [record.name for record in step.put(folder, [name], staged=staged)] == [name]
    path.unlink()


def got(step: StepFiles, folder: Path, *patterns: str) -> dict[str, str]:
    """Return the files that a step gets where there are any, by name."""
    records = step.get(folder, CatalogSettings(optional=patterns))
    return {record.name: (folder / record.name).read_text() for record in records}


def context(catalog: Catalog) -> Any:
    """Return as much of a run as a join looks at."""
    return SimpleNamespace(run_id=RUN, services=SimpleNamespace(catalog=catalog))


def test_a_step_gets_its_own_then_those_around_it(catalog: FakeCatalog, folder: Path) -> None:
    """By the names that it knows, in its folder and in its records."""
    put(files(catalog, "first"), folder, "x", "root")
    put(files(catalog, "m.a.one"), folder, "x", "a")
    put(files(catalog, "m.b.one"), folder, "y", "b")
    assert got(files(catalog, "m.a.two"), folder, "x", "y") == {"x": "a"}
    assert got(files(catalog, "m.b.two"), folder, "*") == {"x": "root", "y": "b"}
    assert got(files(catalog, "last"), folder, "m/*/*") == {"m/a/x": "a", "m/b/y": "b"}


def test_a_missing_file_is_told_with_what_there_is(catalog: FakeCatalog, folder: Path) -> None:
    """Objects and files of branches by the names of people, logs not at all."""
    put(files(catalog, "m.a.one"), folder, "x", "a")
    put(files(catalog, "first"), folder, "_objects/model.object", "{}")
    expected = r"nothing that 'absent' means .* which holds model, m/a/x; let a step before this one put it"
    with pytest.raises(ExecutionError, match=expected):
        files(catalog, "last").get(folder, CatalogSettings(get=("absent",)))


@pytest.mark.parametrize("name", ["_branches/m/a/x", "_magnus/x"])
def test_reserved_names_cannot_be_put(catalog: FakeCatalog, folder: Path, name: str) -> None:
    """A name is refused; a glob passes over the folder."""
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text("x")
    with pytest.raises(ExecutionError, match="for itself"):
        files(catalog, "step").put(folder, [name])
    assert files(catalog, "step").put(folder, ["**"]) == []


def test_staged_files_count_once_the_attempt_has_succeeded(catalog: FakeCatalog, folder: Path) -> None:
    """Before, the attempt and its child processes see them, in place of those of the same names, and no other step."""
    put(files(catalog, "m.a.first"), folder, "x", "old")
    attempt = files(catalog, "m.a.step")
    child = files(catalog, "m.a.step", token=attempt.token)
    put(child, folder, "x", "new", staged=True)
    put(attempt, folder, "z", "z", staged=True)
    for step in (attempt, child):
        assert got(step, folder, "x") == {"x": "new"}
        assert got(step, folder, "*") == {"x": "new", "z": "z"}
    assert got(files(catalog, "m.a.other"), folder, "*", "**/z") == {"x": "old"}
    attempt.publish()
    assert got(files(catalog, "m.a.other"), folder, "*") == {"x": "new", "z": "z"}
    assert got(files(catalog, "last"), folder, "*") == {"x": "new", "z": "z"}


def test_what_a_failed_attempt_stored_is_dropped_but_for_what_is_kept(
    catalog: FakeCatalog, folder: Path
) -> None:
    """An executed notebook counts as the step's log then."""
    attempt = files(catalog, "m.a.step")
    (folder / "out.ipynb").write_text("executed")
    (folder / "x").write_text("x")
    records = attempt.put(folder, ["x"], staged=True) + attempt.keep(folder, "out.ipynb")
    records = attempt.drop(records)
    assert [(record.name, record.stage) for record in records] == [("out.ipynb", "log")]
    assert got(files(catalog, "m.a.other"), folder, "**") == {"out.ipynb": "executed"}
    assert got(files(catalog, "m.a.step", 2), folder, "x") == {}


def test_an_attempt_that_is_begun_once_more_publishes_nothing_of_the_first(
    catalog: FakeCatalog, folder: Path
) -> None:
    """A host may be lost, and the attempt be started again under the same number."""
    put(files(catalog, "step"), folder, "x", "lost", staged=True)
    again = files(catalog, "step")
    put(again, folder, "y", "y", staged=True)
    again.publish()
    assert got(files(catalog, "last"), folder, "*") == {"y": "y"}


def test_what_a_killed_attempt_staged_is_removed(folder: Path) -> None:
    """By who finds that out, and by a run that continues it."""
    catalog = FakeCatalog()
    put(files(catalog, "step", 1), folder, "x", "lost", staged=True)
    put(files(catalog, "step", 11), folder, "y", "other", staged=True)
    drop_staged(catalog, RUN, "step", 1)
    assert len(catalog.list_entries(RUN)) == 1
    forget_all_staged(catalog, RUN)
    assert catalog.list_entries(RUN) == []


def test_own_files_win_until_a_join_and_again_when_they_are_put_anew(folder: Path) -> None:
    """Also with the same content as before."""
    catalog = FakeCatalog()
    put(files(catalog, "first"), folder, "x", "old")
    put(files(catalog, "m.a.step"), folder, "x", "new")
    last = files(catalog, "last")
    assert got(last, folder, "x") == {"x": "old"}
    join_files(context(catalog), "m", ["m.a"], [])
    assert got(last, folder, "x") == {"x": "new"}
    put(files(catalog, "later"), folder, "x", "old")
    assert got(last, folder, "x") == {"x": "old"}
    join_files(context(catalog), "m", ["m.a"], [])
    attempt = files(catalog, "staging")
    put(attempt, folder, "x", "old", staged=True)
    attempt.publish()
    assert got(last, folder, "x") == {"x": "old"}


def test_a_re_run_forgets_the_joins_that_are_to_come(folder: Path) -> None:
    """And what branches had put that there are no more."""
    catalog = FakeCatalog()
    put(files(catalog, "first"), folder, "x", "old")
    put(files(catalog, "m.a.step"), folder, "x", "a")
    put(files(catalog, "m.b.step"), folder, "x", "b")
    join_files(context(catalog), "m", ["m.a", "m.b"], [])
    forget_joins(context(catalog), ["n"])
    with pytest.raises(ExecutionError, match="2 branches"):
        got(files(catalog, "last"), folder, "x")
    forget_joins(context(catalog), ["m"])
    assert got(files(catalog, "last"), folder, "x") == {"x": "old"}
    join_files(context(catalog), "m", ["m.b"], [])
    assert got(files(catalog, "last"), folder, "x", "m/*/x") == {"x": "b", "m/b/x": "b"}


def test_a_put_that_meets_nothing_is_a_warning(catalog: FakeCatalog, folder: Path) -> None:
    """So is a link out of the folder, also where other files were found."""
    told: list[str] = []
    step = files(catalog, "step", warn=told.append)
    (folder / "a.csv").write_text("a")
    for number in range(7):
        (folder / f"{number}.csv").symlink_to("/etc/hostname")
    (folder / "gone.csv").symlink_to("nowhere")
    assert [record.name for record in step.put(folder, ["*.csv", "*.txt"])] == ["a.csv"]
    assert told[0].startswith(
        "the put pattern '*.csv' passed over 0.csv (a link to /etc/hostname, outside the folder)"
    )
    assert told[0].endswith("and 3 more: only regular files inside " + f"{folder} are put")
    assert told[1] == f"the put pattern '*.txt' matches no file in {folder}"


def test_the_old_way_of_putting_reports_a_missing_file(folder: Path) -> None:
    """The default of `put_as` leaves that to `put`."""
    with pytest.raises(CatalogError, match="other"):
        OldCatalog().put_as(RUN, folder, {"other": "absent"})


def test_catalogs_that_are_compared_by_value_are_kept_apart(folder: Path) -> None:
    """An index belongs to one object, and is forgotten with it."""

    class Equal(FakeCatalog):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return True

    for content in ("one", "other"):
        catalog = Equal()
        put(files(catalog, "first"), folder, "x", content)
        assert got(files(catalog, "last"), folder, "x") == {"x": content}
        del catalog
