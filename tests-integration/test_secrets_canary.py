"""A secret that steps read, show and hand on in every way is in nothing that magnus writes or prints."""

from __future__ import annotations

import base64
import json
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness import Project, chain, python, shell, steps_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("quick_project")

CANARIES = {
    "plain": "canary-7f3b9c-tweet",
    "number": "481516234200",
    "decimal": "8675309.125",
    "quotes": "ca\"na'ry \\ {$HOME} %41 <&>",
    "lines": 'first-line-of-canary\nsecond-line-of-canary\n\tthird "line" of canary',
    "unicode": "kanárek-ßŋ-🐤-žluť",
    "PEM": "-----BEGIN KEY-----\n"
    + "\n".join(base64.b64encode(bytes(range(n, n + 48))).decode() for n in range(3)),
}
SCHEMA_WORDS = [
    "SUCCESS",
    "status",
    "attempts",
    "task",
    "null",
    "true",
    "internal_name",
    "0000",
    "steps",
    "read",
]

STEPS = '''
    import json, os, subprocess, sys, time
    from pathlib import Path
    from magnus import get_parameter, get_secret, set_parameter, track_this

    def read():
        """Only ask for it."""
        get_secret("CANARY")

    def show():
        secret = get_secret("CANARY")
        print(secret)
        print("in the middle of", secret, "a line", file=sys.stderr)
        print(json.dumps({"secret": secret}), repr(secret), secret.encode())
        half = len(secret) // 2
        for part in (secret[:half], secret[half:]):
            sys.stdout.write(part)
            sys.stdout.flush()
            time.sleep(0.03)
        print()
        os.write(1, secret.encode() + b"\\n")
        for byte in secret.encode():
            os.write(2, bytes([byte]))
            time.sleep(0.001)
        os.write(2, b"\\n")
        child = "import sys; sys.stdout.write(sys.stdin.read()); print('from a child')"
        subprocess.run([sys.executable, "-c", child], input=secret.encode(), check=True)

    def hand_over():
        secret = get_secret("CANARY")
        track_this(leaked=secret, deep={"list": [secret, 1]}, by_name={secret: 2})
        track_this(step=3, epoch=secret)
        set_parameter(early=f"before {secret} after")
        try:
            as_number = json.loads(secret)
        except ValueError:
            as_number = secret
        return {"flat": secret, "nested": {"list": [1, {"key": secret, secret: "as a key"}]}, "number": as_number}

    def long():
        return {"large": [get_secret("CANARY")] * 500}

    def fail():
        secret = get_secret("CANARY")
        try:
            raise KeyError(secret)
        except KeyError as error:
            raise ValueError(f"the value {secret} is bad", {"secret": secret}) from error

    def leave():
        sys.exit(f"leaving with {get_secret('CANARY')}")

    def hold():
        Path("holding").touch()
        while not Path("go").exists():
            time.sleep(0.02)
'''

CHILD = """
    import os, sys
    from magnus import get_secret, set_parameter, track_this
    secret = get_secret("CANARY")
    print(secret)
    sys.stderr.write("err " + secret + "\\n")
    track_this(from_child=secret)
    set_parameter(from_child={"deep": [secret]})
"""

NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell{number}",
            "metadata": {},
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(
            [
                "from magnus import get_secret, set_parameter\nsecret = get_secret('CANARY')",
                "print(secret)\nset_parameter(from_notebook=[secret])\nsecret",
                "import sys\nprint(repr(secret), file=sys.stderr)\n{'html': secret}",
            ]
        )
    ],
    "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}

OWN_FILES = {".env", "steps.py", "child.py", "book.ipynb", "pipeline.yaml", "config.yaml"}


def write_project(project: Project, canary: str, *, enable_parallel: bool, with_notebook: bool) -> None:
    """Write steps that show the secret in every way, in branches so that workers run them."""
    quoted = canary.replace("\\", "\\\\").replace("'", "\\'")
    project.write(".env", "").write_text(f"OTHER=x\nCANARY='{quoted}'\n", encoding="utf-8")
    project.write("steps.py", STEPS)
    project.write("child.py", CHILD)
    project.write("book.ipynb", "").write_text(json.dumps(NOTEBOOK), encoding="utf-8")
    showing: dict[str, Any] = {
        "show": python("steps.show"),
        "hand over": python("steps.hand_over"),
        "long": python("steps.long"),
        "child": shell("python child.py"),
    }
    if with_notebook:
        showing["notebook"] = {"command_type": "notebook", "command": "book.ipynb"}
    failing: dict[str, Any] = {
        "fail": python("steps.fail", retry=2, on_failure="leave"),
        "between": shell("true"),
        "leave": python("steps.leave", on_failure="rest"),
        "between too": shell("true"),
        "rest": shell("echo rest"),
    }
    branches = {
        "showing": chain(showing),
        "failing": chain(failing),
        "reading": chain({"read": python("steps.read")}),
    }
    last = {"split": {"type": "parallel", "branches": branches}, "hold": python("steps.hold")}
    project.write("pipeline.yaml", {"dag": chain(last)})
    project.configure(enable_parallel=enable_parallel, secrets={"type": "dotenv"})


def forms(canary: str) -> set[bytes]:
    """Return how the canary could be recognised in bytes: as it is, in JSON, in `repr`, in URLs, in base64, each line."""
    texts = {canary, *(line.strip() for line in canary.splitlines() if len(line.strip()) > 5)}
    found: set[str] = set()
    for text in texts:
        found |= {
            text,
            json.dumps(text)[1:-1],
            json.dumps(text, ensure_ascii=False)[1:-1],
            repr(text)[1:-1],
            repr(text.encode())[2:-1],
            urllib.parse.quote(text),
        }
    encoded = base64.b64encode(canary.encode()).rstrip(b"=")
    return {form.encode() for form in found if len(form) > 3} | {encoded[:-1]}


def files_below(*folders: Path) -> Iterator[Path]:
    """Yield every file that magnus could have written."""
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file() and path.name not in OWN_FILES)


def leaks_in_files(canary: str, *folders: Path) -> list[str]:
    """Return the files in whose content or name the canary is."""
    wanted = forms(canary)
    return [
        str(path)
        for path in files_below(*folders)
        if path.suffix != ".pyc"
        and any(form in path.read_bytes() or form in str(path).encode() for form in wanted)
    ]


def leaks_in_output(canary: str, output: bytes) -> list[bytes]:
    """Return the lines in which the canary is."""
    return [line for line in output.splitlines() if any(form in line for form in forms(canary))]


def leaks_in_process_list(canary: str, project: Project) -> list[str]:
    """Return the command lines and environments of the project's processes that hold the canary."""
    found = []
    for pid in project.processes():
        for name in ("cmdline", "environ"):
            try:
                content = Path(f"/proc/{pid}/{name}").read_bytes()
            except OSError:
                continue
            found += [f"{pid}/{name}" for form in forms(canary) if form in content]
    return found


@pytest.mark.parametrize("enable_parallel", [False, True], ids=["here", "in workers"])
@pytest.mark.parametrize("kind", CANARIES)
def test_a_secret_is_in_nothing_that_is_written_or_printed(
    project: Project,
    tmp_path: Path,
    kind: str,
    enable_parallel: bool,  # noqa: FBT001 - parametrised
) -> None:
    """Neither while the run goes on nor after it, at log level DEBUG; what stands around it is there."""
    canary = CANARIES[kind]
    write_project(project, canary, enable_parallel=enable_parallel, with_notebook=kind == "plain")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    options = ("-c", "config.yaml", "--run-id", "one", "--log-level", "DEBUG")
    output = (tmp_path / "stdout", tmp_path / "stderr")
    with output[0].open("wb") as stdout, output[1].open("wb") as stderr:
        running = project.start(
            "execute", *options, streams=(stdout.fileno(), stderr.fileno()), TMPDIR=str(temporary)
        )
        try:
            wait_for(
                lambda: (project.folder / "holding").exists() or running.poll() is not None,
                60,
                "the last step",
            )
            assert leaks_in_process_list(canary, project) == []
            assert leaks_in_files(canary, project.folder, temporary) == []
        finally:
            project.write("go", "")
            running.wait()
    assert running.returncode == 0, output[1].read_text(encoding="utf-8")
    assert leaks_in_files(canary, project.folder, temporary) == []
    (kept_folder,) = temporary.iterdir()  # of the branch in which steps have failed
    assert kept_folder.name.startswith("magnus-work-")
    for path in output:
        assert leaks_in_output(canary, path.read_bytes()) == []

    log = project.run_log("one", "-c", "config.yaml")
    steps = steps_of(log)
    assert steps["split.failing.fail"]["attempts"][1]["message"].startswith("ValueError: ")
    assert "the value ***" in steps["split.failing.fail"]["attempts"][1]["message"]
    early = log["parameters"]["early"].split()
    assert (early[0], set(early[1:-1]), early[-1]) == (
        "before",
        {"***"},
        "after",
    )  # a mask for each line of the secret
    assert "***" in log["parameters"]["nested"]["list"][1]["key"]
    assert {text.replace("***", "").strip() for text in log["parameters"]["large"]} == {""}
    assert "***" in steps["split.showing.hand over"]["user_defined_metrics"]["leaked"]
    kept = (project.folder / ".catalog" / "one" / "_logs" / "split.showing.show.1.log").read_text(
        encoding="utf-8"
    )
    assert "in the middle of ***" in kept
    assert "from a child" in kept
    shown = project.magnus("runs", "show", "one", "-c", "config.yaml")
    assert leaks_in_output(canary, (shown.stdout + shown.stderr).encode()) == []


@pytest.mark.parametrize("enable_parallel", [False, True], ids=["here", "in workers"])
@pytest.mark.parametrize("word", SCHEMA_WORDS)
def test_a_secret_that_equals_a_word_of_the_schema_leaves_the_log_readable(
    project: Project,
    word: str,
    enable_parallel: bool,  # noqa: FBT001 - parametrised
) -> None:
    """Statuses, keys, names and times stay as they are; what the task showed is hidden; the run can be continued."""
    project.write(".env", f"CANARY={word}\n")
    project.write("steps.py", STEPS)
    inner = chain({"hand over": python("steps.hand_over"), "fail": shell("test -e fixed")})
    project.write(
        "pipeline.yaml", {"dag": chain({"split": {"type": "parallel", "branches": {"one": inner}}})}
    )
    project.configure(enable_parallel=enable_parallel, secrets={"type": "dotenv"})
    first = project.execute("-c", "config.yaml", "--run-id", "one", expect=1)
    step = steps_of(first)["split.one.hand over"]
    assert step["status"] == step["attempts"][0]["status"] == "SUCCESS"
    assert step["user_defined_metrics"]["leaked"] == "***"
    assert step["output_parameters"]["nested"]["list"][1]["key"] == "***"
    assert step["output_parameters"]["early"] == "before *** after"
    assert step["attempts"][0]["start_time"].startswith("20")
    project.write("fixed", "")
    second = project.execute("-c", "config.yaml", "--run-id", "two", "--use-cached", "one")
    assert steps_of(second)["split.one.hand over"]["mock"]
    assert second["parameters"]["flat"] == "***"


@pytest.mark.parametrize("enable_parallel", [False, True], ids=["here", "in workers"])
def test_a_secret_is_hidden_in_later_steps_that_find_it_elsewhere(
    project: Project,
    enable_parallel: bool,  # noqa: FBT001 - parametrised
) -> None:
    """Once handed out it is hidden everywhere in the run: in another branch, and after the join."""
    canary = CANARIES["plain"]
    project.write(".env", f"CANARY={canary}\n")
    project.write(
        "steps.py",
        """
        import os
        import time
        from pathlib import Path
        from magnus import get_secret

        OWN = Path(os.environ["HERE"], "own.txt")

        def keep():
            OWN.write_text(get_secret("CANARY"))

        def wait():
            while not OWN.exists():
                time.sleep(0.02)
            time.sleep(0.2)
        """,
    )
    # The second branch has its worker before the first one asks for the secret.
    branches = {
        "one": chain({"keep": python("steps.keep")}),
        "two": chain({"wait": python("steps.wait"), "print": shell('cat "$HERE/own.txt"; echo')}),
    }
    steps = {"split": {"type": "parallel", "branches": branches}, "after": shell("cat own.txt; echo")}
    project.write("pipeline.yaml", {"dag": chain(steps)})
    project.configure(enable_parallel=enable_parallel, secrets={"type": "dotenv"})
    done = project.magnus("execute", "-c", "config.yaml", "--run-id", "one")
    assert done.returncode == 0, done.stderr
    assert leaks_in_output(canary, (done.stdout + done.stderr).encode()) == []
    (project.folder / "own.txt").unlink()
    assert leaks_in_files(canary, project.folder) == []


TRACKER = """
    from dataclasses import dataclass
    from magnus.domain.capabilities import Reach, ServiceCapabilities
    from magnus.plugins import AdapterSpec, hookimpl
    from magnus.ports.experiment_tracker import ExperimentTracker

    @dataclass(frozen=True)
    class Options:
        server_url: str = ""
        api_token: str = ""
        connection: str = ""
        experiment: str = ""

    class Tracker(ExperimentTracker):
        Options = Options

        @classmethod
        def capabilities(cls, options):
            return ServiceCapabilities(reach=Reach.NETWORK)

        def log_metrics(self, run_id, tag, step_name, metrics):
            print("connecting with", self.options)

        def log_parameters(self, run_id, tag, parameters):
            pass

    @hookimpl
    def magnus_experiment_trackers():
        return [AdapterSpec("with-credentials", "third_party:Tracker", port_api=1)]
"""


@pytest.mark.parametrize("enable_parallel", [False, True], ids=["here", "in workers"])
def test_credentials_in_the_configuration_are_hidden(
    project: Project,
    enable_parallel: bool,  # noqa: FBT001 - parametrised
) -> None:
    """A password in a URL, one in a connection string and a token from a variable are masked; what is none is not."""
    project.write("site/third_party.py", TRACKER)
    project.write(
        "site/third_party-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n"
    )
    project.write("site/third_party-1.0.dist-info/entry_points.txt", "[magnus]\nthird-party = third_party\n")
    project.write("steps.py", "from magnus import track_this\n\ndef work():\n    track_this(loss=1)\n")
    inner = chain({"work": python("steps.work")})
    project.write(
        "pipeline.yaml", {"dag": chain({"split": {"type": "parallel", "branches": {"one": inner}}})}
    )
    options = {
        "server_url": "https://user:canary-in-url@host.invalid/path",
        "api_token": "${TOKEN}",
        "connection": "host=h password=canary-in-connection",
        "experiment": "digits",
    }
    tracker = {"type": "with-credentials", "config": options}
    project.configure(enable_parallel=enable_parallel, experiment_tracker=tracker)
    variables = {"MAGNUS_VAR_TOKEN": "canary-in-token", "PYTHONPATH": project.on_path("site")}
    arguments = ("execute", "-c", "config.yaml", "--run-id", "one", "--log-level", "DEBUG")
    done = project.magnus(*arguments, **variables)
    assert done.returncode == 0, done.stderr
    shown = project.magnus("runs", "show", "one", "-c", "config.yaml", "--json", **variables)
    described = json.loads(shown.stdout)["run_config"]["experiment_tracker"]["config"]
    assert described["experiment"] == "digits"
    assert described["server_url"] == "https://user:***@host.invalid/path"
    for canary in ("canary-in-url", "canary-in-token", "canary-in-connection"):
        assert leaks_in_output(canary, (done.stdout + done.stderr + shown.stdout).encode()) == []
        assert leaks_in_files(canary, project.folder) == []
