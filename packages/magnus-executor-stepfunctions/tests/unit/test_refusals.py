"""What is refused before anything is written, each with node, reason and target."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rendering_kit import Renderer, chain, map_of, parallel


@pytest.mark.parametrize(
    ("step", "options", "told"),
    [
        ({"resources": {"cpu": 0.5}}, {}, "on EC2 a job has whole processors, not 0.5; ask for 1"),
        ({"resources": {"shm": "1GiB"}}, {}, "shared memory is part of the job definition"),
        ({"resources": {"gpu": 1}}, {"platform": "FARGATE"}, "Fargate has no graphics processors"),
        (
            {"resources": {"cpu": 3}},
            {"platform": "FARGATE"},
            "Fargate has jobs of 0.25, 0.5, 1, 2, 4, 8, 16 processors",
        ),
        (
            {"resources": {"cpu": 1, "memory": "2500MiB"}},
            {"platform": "FARGATE"},
            "not 2500 MiB; ask for 3072 MiB",
        ),
        ({"executor_config": {"aws-step-functions": {"region": "x"}}}, {}, "it holds for a run as a whole"),
        (map_of(chain({"x": {}})), {"items": None}, "set `items: s3://bucket/prefix` for the executor"),
        ({"type": "as-is", "render_string": "echo half"}, {}, "is no state as JSON"),
        (
            {"type": "as-is", "render_string": '{"Type": "Wait", "Seconds": 1, "Next": "x"}'},
            {},
            "take Next out of it",
        ),
        (parallel(left=chain({"x": {}}, max_time=5)), {}, "nobody keeps its time"),
        (
            parallel(left=chain({"x": {}}))
            | {"executor_config": {"aws-step-functions": {"enable_parallel": True}}},
            {"enable_parallel": False},
            "no branches run at the same time",
        ),
    ],
)
def test_what_a_machine_or_its_jobs_cannot_express(
    renderer: Renderer, step: dict[str, Any], options: dict[str, Any], told: str
) -> None:
    """With the node that asks for it."""
    said = renderer.refusal({"one": step}, **options)
    assert told in said
    assert "one" in said
    assert "aws-step-functions" in said


class TestLimits:
    """Those of Step Functions and of Batch."""

    def test_a_machine_has_a_size(self, renderer: Renderer) -> None:
        """Two thousand steps are too many; what nearly fits is written without room for readers."""
        said = renderer.refusal({f"s{number}": {} for number in range(2000)})
        assert "aws-step-functions: the 2002 nodes of pipeline.yaml make a state machine of" in said
        assert "1048576 (1 MiB) are the most" in said
        renderer.write({f"s{number}": {} for number in range(950)})
        text = renderer.text()
        assert len(text) < 1_048_576
        assert text.count("\n") == 1

    def test_an_execution_has_a_history(self, renderer: Renderer) -> None:
        """The node that fills it is named."""
        said = renderer.refusal({"one": {}, "two": {"retry": 7000}})
        assert "and may have 25000: most are of pipeline.yaml:" in said
        assert "the step 'two' with 7000 attempts (28002 events)" in said

    def test_the_items_of_a_distributed_map_have_histories_of_their_own(self, renderer: Renderer) -> None:
        """So those of two maps do not add up, as those of inline ones do."""
        inner = chain({"x": {"retry": 4000}})
        maps = {"one": map_of(inner), "two": map_of(inner)}
        assert renderer.machine(maps)
        said = renderer.refusal(
            {name: each | {"max_concurrency": 2} for name, each in maps.items()} | {"x": {"retry": 3000}}
        )
        assert "the step 'one' leaves no room for a single item in the 25000 events" in said

    def test_graphs_nest_as_deep_as_readers_of_json_go(self, renderer: Renderer) -> None:
        """Fifty of them; one more is refused."""
        graph = chain({"x": {}})
        for _ in range(50):
            graph = chain({"in": parallel(b=graph)})
        assert renderer.machine({"in": graph["steps"]["in"]})
        said = renderer.refusal({"in": parallel(b=graph)})
        assert "stands in 51 others, and a state machine nests 50 at most" in said

    def test_an_execution_lasts_a_year(self, renderer: Renderer) -> None:
        """Longer runs are refused."""
        said = renderer.refusal({"one": {}}, dag={"max_time": 31_536_000})
        assert "`max_time` of 3.1536e+07 s, and an execution ends after a year" in said

    def test_a_job_is_given_little_besides_its_definition(self, renderer: Renderer) -> None:
        """8192 characters."""
        said = renderer.refusal({"one": {}}, environment={"A": "x" * 8000})
        assert "the step 'one': what its job is given besides its definition needs" in said
        assert "AWS Batch takes 8192" in said

    def test_a_credential_is_refused(self, renderer: Renderer, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where somebody put it into the variables of jobs."""
        monkeypatch.setenv("MAGNUS_VAR_password", "canary-5b1e")
        said = renderer.refusal({"one": {}}, environment={"PASSWORD": "${password}"})
        assert "would hold a credential" in said
        assert "canary-5b1e" not in said


def test_the_names_of_states_are_short(renderer: Renderer) -> None:
    """Whatever the nodes are called; the user's own name is in the comment."""
    name = "n" * 200
    text = renderer.machine({name: {}, name + "m": parallel(**{name: chain({name: {}})})})
    assert max(len(each) for each in text["States"]) <= 80
    assert name in json.dumps(text)
