"""The image that steps run in: every package of the workspace, installed from its wheel, with all that it can use."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from containers.engine import unavailable
from containers.images import build, has, named_by

if TYPE_CHECKING:
    from docker import DockerClient

ROOT = Path(__file__).parents[2]
_EXAMPLE = ROOT / "examples" / "digits" / "requirements.txt"

# Whatever is not ours, in the versions of uv.lock. `testing` is for authors of adapters, not for steps.
_EXPORT = (
    *("export", "--frozen", "--quiet", "--no-emit-workspace", "--no-hashes", "--no-annotate", "--no-header"),
    *(
        "--all-packages",
        "--all-extras",
        "--no-extra",
        "testing",
        "--no-default-groups",
        "--group",
        "examples",
    ),
)

# A user's container may run as anyone, who may not write next to the sources: so everything is compiled beforehand.
_DEPENDENCIES = """\
FROM {base}
COPY packages {packages}
COPY share /usr/local/share
RUN python3 -m compileall -q -j 0 -x '/tests?/' {standard_library} {packages} || true
"""
_MAGNUS = """\
FROM {dependencies}
COPY dist /tmp/dist
RUN python3 -m pip install --no-cache-dir --no-index --no-deps --root-user-action=ignore /tmp/dist/*.whl \\
    && python3 -m pip check && rm -r /tmp/dist
"""
_DESCRIBE = """
import json, platform, sysconfig
paths = sysconfig.get_paths()
python = sysconfig.get_python_version()
print(json.dumps([python, platform.machine(), paths["purelib"], paths["stdlib"]]))
"""


def magnus_image(engine: DockerClient, base: str) -> str:
    """Return the tag of the image, which is built unless an earlier session built it from the same files.

    What is not ours is an image of its own, so that a change of our sources takes seconds.
    """
    dependencies = dependencies_image(engine, base)
    tag = named_by("magnus-tests", Path(__file__).read_bytes(), dependencies, *_sources())
    if not has(engine, tag):
        with TemporaryDirectory(prefix="magnus-image-") as name:
            folder = Path(name)
            build_wheels(folder / "dist")
            _write(folder, _MAGNUS.format(dependencies=dependencies))
            build(engine, tag, folder)
    return tag


def dependencies_image(engine: DockerClient, base: str) -> str:
    """Return the tag of an image with all that is not ours, and nothing of ours."""
    requirements = _uv(*_EXPORT)
    # The versions of the lock hold for those of the example; it may still name one that the lock does not.
    requirements += _EXAMPLE.read_text(encoding="utf-8")
    tag = named_by("magnus-tests-dependencies", base, _identity(engine, base), requirements, _DEPENDENCIES)
    if not has(engine, tag):
        with TemporaryDirectory(prefix="magnus-dependencies-") as name:
            _build_dependencies(engine, base, tag, requirements, Path(name))
    return tag


def build_wheels(folder: Path) -> None:
    """Build the wheels of all packages into *folder*."""
    _uv("build", "--quiet", "--all-packages", "--wheel", "--out-dir", str(folder))


def _sources() -> list[str | bytes]:
    """Return the names and contents of all files that make the wheels."""
    parts: list[str | bytes] = []
    for pattern in ("*/pyproject.toml", "*/src/**/*"):
        for path in sorted((ROOT / "packages").glob(pattern)):
            if path.is_file() and "__pycache__" not in path.parts:
                parts += [str(path.relative_to(ROOT)), path.read_bytes()]
    return parts


def _identity(engine: DockerClient, base: str) -> str:
    identity = engine.images.get(base).id
    assert identity is not None
    return identity


def _build_dependencies(engine: DockerClient, base: str, tag: str, requirements: str, folder: Path) -> None:
    said = engine.containers.run(base, ["python3", "-c", _DESCRIBE], remove=True)
    python, machine, packages, standard_library = json.loads(said)
    (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
    # Here and not while the image is built: with this machine's cache, certificates and index, and none of them in a layer.
    target = folder / "packages"
    # Of kfp-server-api there is no wheel; it is Python alone, like all that is built here.
    command = f"pip install --quiet --only-binary :all: --no-binary kfp-server-api --python-version {python}"
    _uv(
        *command.split(),
        *("--python-platform", f"{machine}-manylinux_2_28"),
        *("--target", str(target), "-r", str(folder / "requirements.txt")),
    )
    # Scripts name the Python of this machine; nothing that steps do needs them.
    shutil.rmtree(target / "bin", ignore_errors=True)
    (target / "share").mkdir(exist_ok=True)
    shutil.move(target / "share", folder / "share")
    _write(folder, _DEPENDENCIES.format(base=base, packages=packages, standard_library=standard_library))
    build(engine, tag, folder)


def _write(folder: Path, dockerfile: str) -> None:
    (folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")


def _uv(*arguments: str) -> str:
    """Call uv in the workspace and return what it prints."""
    uv = shutil.which("uv") or shutil.which("uv", path=ROOT / ".uv" / "bin")
    if uv is None:
        unavailable("uv makes the wheels of the image, and is neither on PATH nor in .uv")
    done = subprocess.run([uv, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"uv {' '.join(arguments)}:\n{done.stderr}"
    return done.stdout
