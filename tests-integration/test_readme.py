"""What the READMEs show is what happens: their files are saved and their commands typed, in order, in an empty folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from readme_blocks import Commands, File, read_blocks, shows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from containers.reader import ReaderOfContainers

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", *sorted(ROOT.glob("packages/*/README.md"))]


def needs_engine(readme: Path) -> bool:
    """Tell whether something in *readme* is typed that needs a Docker engine."""
    return any(isinstance(block, Commands) and block.needs_engine for block in read_blocks(readme))


def environment(*first_on_path: Path) -> dict[str, str]:
    """Return a reader's environment: without what magnus or a virtual environment has set, with *first_on_path* found first."""
    left_out = ("MAGNUS_", "VIRTUAL_ENV", "PYTEST_", "UV_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    path = os.pathsep.join([*map(str, first_on_path), os.environ["PATH"]])
    return kept | {"PATH": path, "NO_COLOR": "1"}


def type_in(commands: Commands, folder: Path, variables: dict[str, str], text: str | None = None) -> str:
    """Type *commands* (or *text* in their place), insist on how they end and on what they show; return what they print."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands.text if text is None else text],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    told = f"line {commands.line}: {commands.text}\nexit code {done.returncode}\n{done.stdout}"
    assert done.returncode == commands.exit_code, told
    if commands.shown is not None:
        assert shows(commands.shown, done.stdout), f"{told}\nwhile the README shows\n{commands.shown}"
    return done.stdout


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_block_does_what_the_readme_shows(readme: Path, tmp_path: Path) -> None:
    """Files are saved, commands end as promised and print what is shown."""
    variables = environment(Path(sysconfig.get_path("scripts")))
    typed = 0
    for block in blocks_in_order(readme, tmp_path):
        if not block.needs_engine and not block.needs_account:
            type_in(block, tmp_path, variables)
            typed += 1
    assert typed > 0, f"{readme} shows no command that can be tried"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "readme", [*filter(needs_engine, READMES)], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_images_are_built_and_containers_run_as_the_readme_shows(
    readme: Path, tmp_path: Path, reader_of_containers: ReaderOfContainers
) -> None:
    """With other names: a reader's base image comes from a registry, and magnus from an index."""
    adapt = reader_of_containers.adapt
    variables = environment(Path(sysconfig.get_path("scripts"))) | reader_of_containers.variables
    for block in blocks_in_order(readme, tmp_path, adapt):
        type_in(block, tmp_path, variables, adapt(block.text))


def blocks_in_order(readme: Path, folder: Path, adapt: Callable[[str], str] = str) -> Iterator[Commands]:
    """Save the files of *readme* in *folder*, and yield what is to be typed when all that stands before it is saved."""
    for block in read_blocks(readme):
        if isinstance(block, File):
            (folder / block.name).write_text(adapt(block.text), encoding="utf-8")
        elif not block.is_slow:
            yield block


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_link_within_the_repository_leads_somewhere(readme: Path) -> None:
    """No link is broken, in the READMEs and in the documents they lead to."""
    for document in (readme, *ROOT.glob("docs/**/*.md")):
        for target in links(document):
            assert (document.parent / target).exists(), f"{document}: {target}"


def links(document: Path) -> list[str]:
    """Return the relative targets of the links in a Markdown file, without anchors."""
    import re

    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    return [
        target.partition("#")[0] for target in targets if "://" not in target and target.partition("#")[0]
    ]


def without_uv(folder: Path) -> dict[str, str]:
    """Return the environment of a machine that has git and Python, but no uv and nothing of this workspace."""
    programs = folder / "bin"
    programs.mkdir()
    for directory in os.environ["PATH"].split(os.pathsep):
        if Path(directory, "magnus").exists():
            continue  # a virtual environment of this workspace
        for program in Path(directory).glob("*") if Path(directory).is_dir() else ():
            if program.name not in {"uv", "uvx"} and not (programs / program.name).exists():
                (programs / program.name).symlink_to(program)
    return environment() | {"PATH": str(programs)}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_newcomer_clones_tries_and_installs(tmp_path: Path) -> None:
    """From an empty folder, with git, Python and pip: the clone, the demo, the tests, and the wheels by themselves."""
    home = tmp_path / "home"
    home.mkdir()
    variables = without_uv(tmp_path)
    assert shutil.which("uv", path=variables["PATH"]) is None
    # The tests of the clone hold this test too; a few of them show that the command works, `.ci/run` types it in full.
    variables["PYTEST_ADDOPTS"] = "packages/magnus-core/tests/unit/domain"
    slow = [
        block for block in read_blocks(ROOT / "README.md") if isinstance(block, Commands) and block.is_slow
    ]
    clone, test, install = slow
    type_in(clone, home, variables, clone.text.replace("REPOSITORY", f"'{ROOT}'"))
    assert " passed" in type_in(test, home / "magnus", variables)
    printed = type_in(install, home / "magnus", variables)
    assert printed.splitlines()[-1].startswith("magnus 0."), printed

    shutil.rmtree(home / "magnus")
    done = subprocess.run(
        [home / ".venv" / "bin" / "magnus", "adapters"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {"local", "file-system", "notebook"} <= set(done.stdout.split())


def test_shown_output_is_compared_line_by_line() -> None:
    """Elisions stand for what they cover and for nothing else."""
    assert shows("a …\n…\nlast\n", "a b\nmore\nand more\nlast\n")
    assert not shows("a …\nlast\n", "a b\nmore\nlast\n")
    assert not shows("a\n", "b\n")
    assert shows("…\n", "")
