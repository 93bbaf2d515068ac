"""What an executor itself has to say of a graph, and of what its compute must be allowed: `magnus check`, `magnus execute`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.domain.verdict import Judgement, Verdict
from magnus.plugins import AdapterSpec, IntegrationSpec, hookimpl
from magnus.ports.executor import CommonOptions, ComputeNeeds, Objection
from magnus.ports.integration import Integration
from magnus.testing.fakes import FakeExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.unit.cli.conftest import Said

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node

FAKES = "magnus_objection_fakes"
PIPELINE = """\
dag:
  start_at: a
  steps:
    a: {type: task, command_type: shell, command: echo ran, executor_config: {size: 3}, next: done}
    done: {type: success}
    failed: {type: fail}
"""
TOO_LARGE = Objection(
    Verdict(Judgement.ERROR, "no machine is so large", "ask for less"), "step", "a", ("a", "b")
)


@dataclasses.dataclass(frozen=True, slots=True)
class Options(CommonOptions):
    """With something of its own."""

    size: int = 1


class Choosy(FakeExecutor):
    """Says what a test wants, and notes what it was asked."""

    Options = Options
    objections: ClassVar[list[Objection]]
    permitted: ClassVar[str]
    asked: ClassVar[list[Any]]

    def __init__(self, options: Any = None) -> None:
        """Take the options for nothing."""
        super().__init__()

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """Run on this machine."""
        return ExecutorCapabilities(Placement.SAME_HOST, concurrent_branches=options.enable_parallel)

    @classmethod
    def judge_graph(
        cls,
        options: Any,
        graph: Graph,
        options_of: Callable[[Node], Any],
        needs: Callable[[], Sequence[ComputeNeeds]],
    ) -> list[Objection]:
        """See the port."""
        node = graph.get_node_by_name(graph.start_at)
        cls.asked.append((options.size, node.name, options_of(node).size, list(needs())))
        return cls.objections

    @classmethod
    def permissions(cls, options: Any, needs: Sequence[ComputeNeeds]) -> str:
        """See the port."""
        cls.asked.append((options.size, list(needs)))
        return cls.permitted


NEEDS = ComputeNeeds(permissions=("to read",), handover="s3://b/k")


class Rule(Integration):
    """The catalog needs something."""

    def validate(self, executor_options: Any, service_options: Any) -> Verdict:
        """It works."""
        return Verdict(Judgement.OK, "it works")

    def configure_for_traversal(self, executor_options: Any, service_options: Any) -> ComputeNeeds:
        """Need it."""
        return NEEDS


@hookimpl
def magnus_executors() -> list[AdapterSpec]:
    """Offer it."""
    return [AdapterSpec("choosy", f"{FAKES}:Choosy", port_api=1)]


@hookimpl
def magnus_integrations() -> list[IntegrationSpec]:
    """Offer the rule."""
    return [IntegrationSpec("choosy", "catalog", "do-nothing", f"{FAKES}:Rule", port_api=1)]


@pytest.fixture
def choosy(
    default_adapters: None, install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> type[Choosy]:
    """Return the executor that is configured in the folder where the test works."""
    executor = type("Choosy", (Choosy,), {"objections": [], "permitted": "", "asked": []})
    install(
        FAKES,
        Choosy=executor,
        Rule=Rule,
        magnus_executors=magnus_executors,
        magnus_integrations=magnus_integrations,
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    configure(tmp_path)
    return executor


def configure(folder: Path, *, refused: bool = False) -> None:
    """Write a configuration; *refused* by its run log store, which is not for branches at the same time."""
    parallel, store = ("true", "buffered") if refused else ("false", "file-system")
    (folder / "magnus-config.yaml").write_text(
        f"executor: {{type: choosy, config: {{size: 2, enable_parallel: {parallel}}}}}\n"
        f"run_log_store: {{type: {store}}}\ncatalog: {{type: do-nothing}}\n"
    )


class TestObjections:
    """What only the executor can see."""

    def test_they_stand_in_the_table(self, choosy: type[Choosy], magnus: Callable[..., Said]) -> None:
        """With the reason, the nodes and the remedy; they refuse as every other verdict does."""
        choosy.objections.append(TOO_LARGE)
        said = magnus("check")
        assert said.code == 2
        (line,) = [line for line in said.out.splitlines() if line.startswith("error")]
        assert line.split()[1:4] == ["choosy", "step", "a"]
        assert "no machine is so large (asked for by a, b); ask for less" in line
        assert "refused: 1 of" in said.err

    def test_they_stand_in_the_json(self, choosy: type[Choosy], magnus: Callable[..., Said]) -> None:
        """Beside the others."""
        choosy.objections.append(TOO_LARGE)
        report = magnus("check", "--json").json()
        assert report["refused"] == 1
        assert {
            "executor": "choosy",
            "subject": "step",
            "name": "a",
            "verdict": "error",
            "reason": "no machine is so large",
            "remedy": "ask for less",
            "places": ["a", "b"],
        } in report["findings"]

    def test_a_run_is_refused_before_it_begins(
        self, choosy: type[Choosy], magnus: Callable[..., Said], tmp_path: Path
    ) -> None:
        """Nothing was made."""
        choosy.objections.append(TOO_LARGE)
        said = magnus("execute", "--run-id", "r")
        assert said.code == 2
        assert (
            "refused: choosy x step a: no machine is so large (asked for by a, b); ask for less" in said.err
        )
        assert not (tmp_path / ".run_log_store").exists()

    @pytest.mark.parametrize(
        ("judgement", "options", "code"),
        [
            (Judgement.WARNING, (), 0),
            (Judgement.WARNING, ("--strict",), 0),
            (Judgement.UNKNOWN, (), 0),
            (Judgement.UNKNOWN, ("--strict",), 2),
        ],
    )
    def test_each_is_as_grave_as_it_says(
        self,
        choosy: type[Choosy],
        magnus: Callable[..., Said],
        judgement: Judgement,
        options: tuple[str, ...],
        code: int,
    ) -> None:
        """What cannot be known is refused by who wants it so."""
        choosy.objections.append(Objection(Verdict(judgement, "it may be slow"), "dag", "map"))
        said = magnus("check", *options)
        assert said.code == code
        assert f"{judgement}" in said.out

    def test_a_run_is_begun_with_a_warning(self, choosy: type[Choosy], magnus: Callable[..., Said]) -> None:
        """It is said, and stops nothing."""
        choosy.objections.append(Objection(Verdict(Judgement.WARNING, "it may be slow"), "dag", "map"))
        said = magnus("execute", "--run-id", "r")
        assert said.code == 0, said.err
        assert "warning: choosy x dag map: it may be slow" in said.err

    def test_the_executor_sees_the_graph_its_options_and_what_services_need(
        self, choosy: type[Choosy], magnus: Callable[..., Said]
    ) -> None:
        """The options for all nodes, and those for one."""
        assert magnus("check").code == 0
        assert choosy.asked == [(2, "a", 3, [NEEDS])]

    def test_it_is_not_asked_where_a_service_is_refused_already(
        self, choosy: type[Choosy], magnus: Callable[..., Said], tmp_path: Path
    ) -> None:
        """What that needs there means nothing."""
        configure(tmp_path, refused=True)
        said = magnus("check")
        assert said.code == 2
        assert "buffered" in said.out
        assert choosy.asked == []

    def test_it_is_not_asked_without_a_graph(self, choosy: type[Choosy], magnus: Callable[..., Said]) -> None:
        """Pairs are judged by what is declared."""
        assert magnus("integrations").code == 0
        assert choosy.asked == []


class TestPermissions:
    """`magnus check --iam`."""

    def test_they_are_alone_on_stdout(self, choosy: type[Choosy], magnus: Callable[..., Said]) -> None:
        """They can be written to a file as they are."""
        choosy.permitted = '{"Version": "2012-10-17"}'
        said = magnus("check", "--iam")
        assert (said.code, said.out, said.err) == (0, '{"Version": "2012-10-17"}\n', "")
        assert choosy.asked[-1] == (2, [NEEDS])

    def test_none_is_a_remark(self, choosy: type[Choosy], magnus: Callable[..., Said]) -> None:
        """A file that is made of it is empty."""
        said = magnus("check", "--iam")
        assert (said.code, said.out) == (0, "")
        assert said.err == "where the steps run, they need no permissions that are known here\n"

    def test_what_would_not_run_is_permitted_nothing(
        self, choosy: type[Choosy], magnus: Callable[..., Said]
    ) -> None:
        """Why it would not is said on stderr; nobody takes that for a policy."""
        choosy.objections.append(TOO_LARGE)
        choosy.permitted = "everything"
        said = magnus("check", "--iam")
        assert (said.code, said.out) == (2, "")
        assert said.err == (
            "refused: choosy x step a: no machine is so large (asked for by a, b); ask for less\n"
            "refused: 1 of 6; this would not run\n"
        )
        assert len(choosy.asked) == 1

    def test_a_check_without_it_does_not_ask(self, choosy: type[Choosy], magnus: Callable[..., Said]) -> None:
        """And prints none."""
        choosy.permitted = "everything"
        said = magnus("check")
        assert "everything" not in said.out
        assert len(choosy.asked) == 1
