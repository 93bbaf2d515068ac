"""Every pair of executor and service has the verdict that stands here, and a run that proves it."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from containers.images import build
from harness import Project, chain, python, steps_of
from test_verdicts_elsewhere import PAIRS

from magnus.definition.config import config_from_mapping
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aws.account import Account
    from docker import DockerClient

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FILES = {"config": {"location": "secrets.env"}}
PREFIX = {"config": {"prefix": "APP_"}}
SERVER = {"config": {"server_url": "http://127.0.0.1:{port}"}}
MEMORY = {"config": {"url": "sqlite:///:memory:"}}
PARALLEL = {"enable_parallel": True}
HOST = {"network": "host"}
POSTGRESQL = {"config": {"url": "{postgresql}"}}
BUCKET = {"config": {"bucket": "{bucket}", "endpoint_url": "{endpoint}", "region": "us-east-1"}}
ACCOUNT = {"config": {"endpoint_url": "{endpoint}", "region": "us-east-1"}}


class Pair(NamedTuple):
    """An executor with a service.

    Attributes:
        verdict: What is expected.
        executor: The executor.
        kind: The kind of the service.
        service: The service.
        options: Of the service, where it has none by default or they decide.
        executor_options: Of the executor, likewise.
    """

    verdict: str
    executor: str
    kind: str
    service: str
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed
    executor_options: dict[str, Any] = {}  # noqa: RUF012 - never changed


STORE, CATALOG, SECRETS, TRACKER = "run_log_store", "catalog", "secrets", "experiment_tracker"

# fmt: off
TABLE = [
    #    verdict    executor           with     name
    Pair("warning", "local",           STORE,   "buffered"),
    Pair("ok",      "local",           STORE,   "file-system"),
    Pair("ok",      "local",           STORE,   "chunked-fs"),
    Pair("ok",      "local",           STORE,   "sql"),
    Pair("ok",      "local",           CATALOG, "do-nothing"),
    Pair("ok",      "local",           CATALOG, "file-system"),
    Pair("ok",      "local",           SECRETS, "do-nothing"),
    Pair("ok",      "local",           SECRETS, "dotenv",              FILES),
    Pair("ok",      "local",           SECRETS, "env-secrets-manager", PREFIX),
    Pair("ok",      "local",           TRACKER, "do-nothing"),
    Pair("ok",      "local",           TRACKER, "mlflow",              SERVER),
    Pair("warning", "local",           STORE,   "buffered",            {},     PARALLEL),
    Pair("warning", "local",           STORE,   "sql",                 MEMORY, PARALLEL),
    Pair("ok",      "local",           STORE,   "file-system",         {},     PARALLEL),
    Pair("ok",      "local",           STORE,   "chunked-fs",          {},     PARALLEL),
    Pair("ok",      "local",           STORE,   "sql",                 {},     PARALLEL),
    Pair("ok",      "local",           SECRETS, "dotenv",              FILES,  PARALLEL),
    Pair("ok",      "local",           SECRETS, "env-secrets-manager", PREFIX, PARALLEL),
    Pair("ok",      "local",           TRACKER, "mlflow",              SERVER, PARALLEL),

    Pair("warning", "mocked",          STORE,   "buffered"),
    Pair("ok",      "mocked",          STORE,   "file-system"),
    Pair("ok",      "mocked",          STORE,   "chunked-fs"),
    Pair("ok",      "mocked",          STORE,   "sql"),
    Pair("ok",      "mocked",          CATALOG, "do-nothing"),
    Pair("ok",      "mocked",          CATALOG, "file-system"),
    Pair("ok",      "mocked",          SECRETS, "do-nothing"),
    Pair("ok",      "mocked",          SECRETS, "dotenv",              FILES),
    Pair("ok",      "mocked",          SECRETS, "env-secrets-manager", PREFIX),
    Pair("ok",      "mocked",          TRACKER, "do-nothing"),
    Pair("ok",      "mocked",          TRACKER, "mlflow",              SERVER),

    Pair("error",   "local-container", STORE,   "buffered"),
    Pair("error",   "local-container", STORE,   "sql",                 MEMORY),
    Pair("ok",      "local-container", STORE,   "file-system"),
    Pair("ok",      "local-container", STORE,   "chunked-fs"),
    Pair("ok",      "local-container", STORE,   "sql"),
    Pair("ok",      "local-container", CATALOG, "do-nothing"),
    Pair("ok",      "local-container", CATALOG, "file-system"),
    Pair("ok",      "local-container", SECRETS, "do-nothing"),
    Pair("ok",      "local-container", SECRETS, "dotenv",              FILES),
    Pair("error",   "local-container", SECRETS, "env-secrets-manager"),
    Pair("ok",      "local-container", SECRETS, "env-secrets-manager", PREFIX),
    Pair("ok",      "local-container", TRACKER, "do-nothing"),
    Pair("error",   "local-container", TRACKER, "mlflow",              SERVER),
    Pair("ok",      "local-container", TRACKER, "mlflow",              SERVER, HOST),
    Pair("ok",      "local-container", STORE,   "file-system",         {},     PARALLEL),
    Pair("ok",      "local-container", STORE,   "chunked-fs",          {},     PARALLEL),
    Pair("ok",      "local-container", STORE,   "sql",                 {},     PARALLEL),

    Pair("ok",      "local",           STORE,   "s3",                  BUCKET),
    Pair("ok",      "local",           STORE,   "s3",                  BUCKET, PARALLEL),
    Pair("ok",      "local",           CATALOG, "s3",                  BUCKET),
    Pair("ok",      "local",           SECRETS, "aws-secrets-manager", ACCOUNT),
    Pair("ok",      "mocked",          STORE,   "s3",                  BUCKET),
    Pair("ok",      "mocked",          CATALOG, "s3",                  BUCKET),
    Pair("ok",      "mocked",          SECRETS, "aws-secrets-manager", ACCOUNT),
    Pair("error",   "local-container", STORE,   "s3",                  BUCKET),
    Pair("ok",      "local-container", STORE,   "s3",                  BUCKET, HOST),
    Pair("ok",      "local-container", CATALOG, "s3",                  BUCKET, HOST),
    Pair("ok",      "local-container", SECRETS, "aws-secrets-manager", ACCOUNT, HOST),

    Pair("error",   "local-aws-batch", STORE,   "buffered"),
    Pair("error",   "local-aws-batch", STORE,   "file-system"),
    Pair("error",   "local-aws-batch", STORE,   "chunked-fs"),
    Pair("error",   "local-aws-batch", STORE,   "sql"),
    Pair("ok",      "local-aws-batch", STORE,   "sql",                 POSTGRESQL),
    Pair("ok",      "local-aws-batch", STORE,   "s3",                  BUCKET),
    Pair("error",   "local-aws-batch", CATALOG, "do-nothing"),
    Pair("error",   "local-aws-batch", CATALOG, "file-system"),
    Pair("ok",      "local-aws-batch", CATALOG, "s3",                  BUCKET),
    Pair("ok",      "local-aws-batch", SECRETS, "do-nothing"),
    Pair("error",   "local-aws-batch", SECRETS, "dotenv",              FILES),
    Pair("error",   "local-aws-batch", SECRETS, "env-secrets-manager", PREFIX),
    Pair("ok",      "local-aws-batch", SECRETS, "aws-secrets-manager", ACCOUNT),
    Pair("ok",      "local-aws-batch", TRACKER, "do-nothing"),
    Pair("ok",      "local-aws-batch", TRACKER, "mlflow",              SERVER),

    Pair("error",   "demo-renderer",   STORE,   "buffered"),
    Pair("error",   "demo-renderer",   STORE,   "sql",                 MEMORY),
    Pair("ok",      "demo-renderer",   STORE,   "file-system"),
    Pair("ok",      "demo-renderer",   STORE,   "chunked-fs"),
    Pair("ok",      "demo-renderer",   STORE,   "sql"),
    Pair("ok",      "demo-renderer",   STORE,   "s3",                  BUCKET),
    Pair("ok",      "demo-renderer",   CATALOG, "do-nothing"),
    Pair("ok",      "demo-renderer",   CATALOG, "file-system",         {},     PARALLEL),
    Pair("ok",      "demo-renderer",   CATALOG, "s3",                  BUCKET),
    Pair("ok",      "demo-renderer",   SECRETS, "do-nothing"),
    Pair("ok",      "demo-renderer",   SECRETS, "dotenv",              FILES),
    Pair("ok",      "demo-renderer",   SECRETS, "env-secrets-manager", PREFIX),
    Pair("ok",      "demo-renderer",   SECRETS, "aws-secrets-manager", ACCOUNT),
    Pair("ok",      "demo-renderer",   TRACKER, "do-nothing"),
    Pair("ok",      "demo-renderer",   TRACKER, "mlflow",              SERVER),
]
# fmt: on

STEPS = """
    from pathlib import Path
    from magnus import get_secret, track_this

    def write():
        Path("data").mkdir(exist_ok=True)
        Path("data/x").write_text("x")

    def read_file():
        assert Path("data/x").read_text() == "x"

    def read_secret():
        assert get_secret("TOKEN") == "canary"

    def track():
        track_this(score=1)

    def nothing():
        pass
"""

IN_IMAGES = ("local-container", "local-aws-batch")

UNCHECKED = (
    "from magnus.bootstrap import Setup\nSetup.refuse = lambda self, graph, *, strict: self.judge(graph)\n"
)
"""Leaves out the check that the verdicts are for."""


def named(pair: Pair) -> str:
    """Return the name of a pair's test."""
    options = "".join(f" {json.dumps(each)}" for each in (pair.executor_options, pair.options) if each)
    return f"{pair.executor} x {pair.service}{options}: {pair.verdict}"


@pytest.fixture(scope="session")
def tracking_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the MLflow server of the tests of magnus-stores; yield its port."""
    path = Path(__file__).parents[1] / "packages" / "magnus-stores" / "tests" / "conftest.py"
    spec = importlib.util.spec_from_file_location("magnus_stores_conftest", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.running_mlflow(tmp_path_factory.mktemp("mlflow")) as address:
        yield address.rpartition(":")[2]


@pytest.fixture(scope="session")
def unchecking_image(
    engine: DockerClient, magnus_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Return an image in which magnus does not check either."""
    folder = tmp_path_factory.mktemp("unchecking")
    (folder / "sitecustomize.py").write_text(UNCHECKED)
    target = "$(python3 -c 'import sysconfig; print(sysconfig.get_path(\"purelib\"))')"
    (folder / "Dockerfile").write_text(
        f"FROM {magnus_image}\nCOPY sitecustomize.py /tmp/\nRUN cp /tmp/sitecustomize.py {target}/\n"
    )
    tag = f"magnus-tests-unchecking:{os.getpid()}"
    build(engine, tag, folder)
    yield tag
    engine.images.remove(tag, force=True)


def places(pair: Pair, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the addresses that the service's options ask for; what answers there is started."""
    asked = [value for value in pair.options.get("config", {}).values() if isinstance(value, str)]
    found: dict[str, str] = {}
    if any("{port}" in value for value in asked):
        found["port"] = request.getfixturevalue("tracking_server")
    if any("{postgresql}" in value for value in asked):
        found["postgresql"] = request.getfixturevalue("postgresql_in_containers").outside
    if any("{endpoint}" in value for value in asked):
        account: Account = request.getfixturevalue("account")
        found |= {"endpoint": account.aws.endpoint, "bucket": account.bucket}
        account.aws.secret("canary", "TOKEN")
        request.addfinalizer(account.aws.reset)
    return found


def prepare(project: Project, pair: Pair, blocks: dict[str, Any], addresses: dict[str, str]) -> None:
    """Write a pipeline that uses the service, in two branches at once if the executor does that.

    Args:
        project: Where.
        pair: The executor and the service.
        blocks: The rest of the configuration.
        addresses: What the service's options ask for.
    """
    options = {
        name: value.format(**addresses) if isinstance(value, str) else value
        for name, value in pair.options.get("config", {}).items()
    }
    project.write("config.yaml", blocks | {pair.kind: {"type": pair.service, "config": options}})
    project.write("secrets.env", "TOKEN=canary\n")
    use = {
        STORE: {"one": python("work.nothing"), "two": python("work.nothing")},
        CATALOG: {
            "one": python("work.write", catalog={"put": ["x"]}),
            "two": python("work.read_file", catalog={"get": ["x"]}),
        },
        SECRETS: {"one": python("work.nothing" if pair.service == "do-nothing" else "work.read_secret")},
        TRACKER: {"one": python("work.track")},
    }[pair.kind]
    inner = chain(use)
    branches = {f"b{number}": inner for number in range(4)}
    parallel = pair.executor_options.get("enable_parallel", False)
    graph = chain({"split": {"type": "parallel", "branches": branches}}) if parallel else inner
    project.write("pipeline.yaml", {"dag": graph})


def together(pair: Pair) -> list[pytest.MarkDecorator]:
    """Return the mark of a pair whose test needs the server or the image that are made for these tests."""
    if pair.options is SERVER:
        return [pytest.mark.xdist_group("tracking_server")]
    if pair.options is POSTGRESQL:
        return [pytest.mark.xdist_group("postgresql_in_containers")]
    return [pytest.mark.xdist_group("unchecking_image")] if is_unchecked(pair) else []


def is_unchecked(pair: Pair) -> bool:
    """Tell whether a pair is tried in an image where nobody checks it."""
    return pair.verdict == "error" and pair.executor in IN_IMAGES


@pytest.mark.parametrize("pair", [pytest.param(pair, marks=together(pair), id=named(pair)) for pair in TABLE])
def test_the_verdict_is_as_expected_and_a_run_proves_it(
    pair: Pair, quick_project: Project, request: pytest.FixtureRequest
) -> None:
    """What is `ok` runs; what is an `error` is refused, and would really fail if it were not."""
    image = ""
    if pair.executor in IN_IMAGES:
        image = request.getfixturevalue("unchecking_image" if is_unchecked(pair) else "magnus_image")
    project = quick_project
    project.write("work.py", STEPS)
    executor = {"type": pair.executor, "config": {**pair.executor_options}}
    blocks: dict[str, Any] = {"executor": executor}
    if pair.executor == "local-aws-batch":
        account: Account = request.getfixturevalue("account")
        handover = f"s3://{account.bucket}/handover"
        blocks = account.services() | {
            "executor": account.executor(project, image=image, handover=handover, **pair.executor_options)
        }
    elif image:
        executor["config"]["docker_image"] = image
    prepare(project, pair, blocks, places(pair, request))
    variables = {"APP_TOKEN": "canary", "TOKEN": "canary"}
    checked = project.magnus("check", "-c", "config.yaml", "--json")
    (finding,) = [each for each in json.loads(checked.stdout)["findings"] if each["subject"] == pair.kind]
    assert finding["verdict"] == pair.verdict, finding
    assert checked.returncode == (2 if pair.verdict == "error" else 0)
    assert bool(finding["remedy"]) == (pair.verdict != "ok")
    is_rendered = pair.executor == "demo-renderer"
    if pair.verdict != "error":
        if is_rendered:
            project.render("-c", "config.yaml")
            assert project.run_script("one", **variables).returncode == 0
            return
        log = project.execute("-c", "config.yaml", **variables)
        assert log["status"] == "SUCCESS"
        return
    refused = project.magnus("execute", "-c", "config.yaml", **variables)
    assert refused.returncode == 2
    assert finding["reason"] in refused.stderr
    assert not (project.folder / ".run_log_store").exists()
    project.write("unchecked/sitecustomize.py", UNCHECKED)
    if is_rendered:
        variables["PYTHONPATH"] = project.on_path("unchecked")
        project.render("-c", "config.yaml", **variables)
        project.run_script("one", **variables)
        assert project.magnus("runs", "show", "one", "-c", "config.yaml", **variables).returncode != 0
        return
    done = project.magnus(
        "execute", "-c", "config.yaml", "--json", PYTHONPATH=project.on_path("unchecked"), **variables
    )
    assert done.returncode in {1, 2, 3} or lost_steps(json.loads(done.stdout)), done.stdout + done.stderr


def lost_steps(log: dict[str, Any]) -> bool:
    """Tell whether the branches' steps are missing in a log: a run that lost what it did has failed, whatever it says."""
    done = [step for name, step in steps_of(log).items() if name.startswith("split.") and step["attempts"]]
    return len(done) < 4 * 2


def test_every_installed_pair_is_in_the_table(quick: Path) -> None:
    """A new adapter cannot come without its verdicts."""
    done = Project(Path.cwd(), quick=quick).magnus("integrations", "--json")
    shown = {
        (each["executor"], each["subject"], each["name"]) for each in json.loads(done.stdout)["integrations"]
    }
    assert shown == {(pair.executor, pair.kind, pair.service) for pair in TABLE} | PAIRS
    assert json.loads(done.stdout)["unusable"] == []


REFUSED = [
    ("local", {}, "resources"),
    ("local", PARALLEL, "resources"),
    ("local-container", {"run_in_local": True}, "resources"),
    ("demo-renderer", {}, "resources"),
]
"""Every feature of a dag that an executor, with options, does not support."""

ASKS_FOR = {"resources": {"resources": {"cpu": 1}}}
"""A step that uses the feature."""


@pytest.mark.parametrize(("executor", "options", "feature"), REFUSED)
def test_a_feature_that_is_not_supported_is_refused_with_the_step_that_asks_for_it(
    executor: str, options: dict[str, Any], feature: str, quick_project: Project
) -> None:
    """Before anything runs, with exit code 2, and nothing is left."""
    project = quick_project
    project.write("pipeline.yaml", {"dag": chain({"one": python("work.nothing", **ASKS_FOR[feature])})})
    project.write("config.yaml", {"executor": {"type": executor, "config": options}})
    before = sorted(project.folder.iterdir())
    done = project.magnus("execute", "-c", "config.yaml")
    assert done.returncode == 2
    assert f"{executor} x dag {feature}: " in done.stderr
    assert "(asked for by one)" in done.stderr
    assert sorted(project.folder.iterdir()) == before


@pytest.mark.parametrize(
    ("executor", "options"),
    [
        ("local", {}),
        ("local", PARALLEL),
        ("mocked", {}),
        ("demo-renderer", {}),
        ("demo-renderer", {"ignore_resources": True}),
        ("local-container", {"docker_image": "x"}),
        ("local-container", {"docker_image": "x"} | PARALLEL),
        ("local-container", {"run_in_local": True}),
        ("local-aws-batch", {"docker_image": "x", "job_queue": "q"}),
    ],
)
def test_nothing_else_is_refused(executor: str, options: dict[str, Any]) -> None:
    """The table above is what the executors say of themselves."""
    config = config_from_mapping(
        {"executor": {"type": executor, "config": options}}, AdapterManager(find_plugins())
    )
    capabilities = config.executor.adapter.capabilities(config.executor.options)
    said = {feature.value for feature in capabilities.refused_features}
    assert said == {
        feature for name, with_options, feature in REFUSED if (name, with_options) == (executor, options)
    }
    own_images = "container" in (capabilities.task_types or {"container"})
    assert own_images == (executor != "local-aws-batch")


def test_a_check_needs_no_engine_and_leaves_nothing(quick_project: Project) -> None:
    """200 steps in containers are judged without asking whether there is one."""
    project = quick_project
    project.write("pipeline.yaml", {"dag": chain({f"s{n}": python("work.nothing") for n in range(200)})})
    project.write("config.yaml", {"executor": {"type": "local-container", "config": {"docker_image": "x"}}})
    before = sorted(project.folder.iterdir())
    done = project.magnus("check", "-c", "config.yaml", "--strict", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert done.returncode == 0, done.stderr
    assert sorted(project.folder.iterdir()) == before
