from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from magnus.domain.limits import Limits
from magnus.domain.owner import own_label
from magnus.ports.executor import ComputeNeeds
from magnus_executor_container.config import LocalContainerOptions
from magnus_executor_container.container_spec import (
    ContainerSpec,
    own_groups,
    own_user,
    run_labels,
    step_container,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def container(*needs: ComputeNeeds, **options: Any) -> ContainerSpec:
    """Return the container of a step."""
    made = LocalContainerOptions(**{"docker_image": "image", **options})
    return step_container(made, ("magnus", "work"), {"a": "b"}, needs, Limits(cpu=1.0))


def test_magnus_runs_with_the_given_command_labels_and_limits() -> None:
    """It reads its stdin, and the image's entry point is kept."""
    spec = container()
    assert (spec.image, spec.command, spec.labels) == ("image", ("magnus", "work"), {"a": "b"})
    assert (spec.limits, spec.reads_stdin, spec.entrypoint) == (Limits(cpu=1.0), True, None)


def test_the_working_directory_is_the_project_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be written to."""
    monkeypatch.chdir(tmp_path)
    spec = container()
    assert spec.mounts == {str(tmp_path): ("/magnus/project", False)}
    assert spec.working_dir == "/magnus/project"


def test_without_the_project_the_images_own_directory_counts() -> None:
    """What services need is mounted all the same."""
    spec = container(ComputeNeeds(mounts={"/outside": ("/inside", True)}), mount_project=False)
    assert spec.mounts == {"/outside": ("/inside", True)}
    assert spec.working_dir is None


def test_what_all_services_need_is_put_together() -> None:
    """Mounts and variables of each."""
    first = ComputeNeeds(mounts={"/a": ("/x", False)}, environment={"A": "1"})
    second = ComputeNeeds(mounts={"/b": ("/y", True)}, environment={"B": "2"})
    spec = container(first, second, mount_project=False)
    assert spec.mounts == {"/a": ("/x", False), "/b": ("/y", True)}
    assert spec.environment.items() >= {"A": "1", "B": "2"}.items()


def test_configured_variables_win_over_those_of_services_and_of_magnus() -> None:
    """Whoever writes them knows the image."""
    need = ComputeNeeds(environment={"A": "service", "HOME": "/service"})
    assert container(need).environment["HOME"] == "/service"
    spec = container(need, environment={"A": "user", "HOME": "/home/me"})
    assert (spec.environment["A"], spec.environment["HOME"]) == ("user", "/home/me")


def test_any_user_has_a_home_and_a_name() -> None:
    """Much software fails without; any image lets any user write there."""
    assert container().environment["HOME"] == "/tmp"  # noqa: S108 - the container's own
    assert container().environment["USER"]


def test_a_user_without_a_name_is_known_by_the_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that was started with a number."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    assert container().environment["USER"] == "54321"


def test_what_a_container_leaves_belongs_to_who_runs_magnus() -> None:
    """User, group and further groups are those of this process."""
    spec = container()
    assert spec.user == own_user() == f"{os.getuid()}:{os.getgid()}"
    assert spec.groups == own_groups()
    assert os.getgid() not in own_groups()
    assert {*own_groups(), os.getgid()} >= set(os.getgroups())


def test_secrets_have_a_place_in_memory_and_none_in_the_description() -> None:
    """Private needs go through stdin: nothing of them is asked of the engine."""
    need = ComputeNeeds(
        private_files={"/magnus/private/f": b"canary"}, private_environment={"SECRET": "canary"}
    )
    spec = container(need)
    assert spec.memory_folders == ("/magnus/private",)
    assert "canary" not in repr(spec)
    assert "SECRET" not in repr(spec)


def test_entry_point_and_network_are_those_of_the_options() -> None:
    """An empty entry point is another than none."""
    spec = container(entrypoint=(), network="mine")
    assert (spec.entrypoint, spec.network) == ((), "mine")


def test_a_container_is_found_by_run_step_attempt_and_owner() -> None:
    """A rehearsal's has no step and no attempt."""
    owner = {"magnus.owner": own_label(), "magnus.run_id": "r"}
    assert run_labels("r", "a.b", 2) == {**owner, "magnus.step": "a.b", "magnus.attempt": "2"}
    assert run_labels("r") == {**owner, "magnus.step": ""}
