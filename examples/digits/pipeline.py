"""The dag of `pipeline.yaml`, written in Python. Run it with `python pipeline.py [RUN_ID]`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from digits import dataset, features, selection, training

from magnus import Fail, Map, Parallel, Pipeline, Success, Task

if TYPE_CHECKING:
    from collections.abc import Callable


def feature_branch(function: Callable[..., dict[str, Any]], output: str) -> Pipeline:
    """Return the branch that computes one feature set with *function* and stores it as *output*."""
    compute = Task("compute", function, catalog={"get": ["split.npz"], "put": [output]})
    return Pipeline(steps=[compute >> Success("done"), Fail("failed")])


def build() -> Pipeline:
    """Put the pipeline together; nothing runs yet."""
    described = ["split.npz", "features/*.npz"]
    try_one = Pipeline(
        steps=[
            Task("train", training.train, catalog={"get": described})
            >> Task("score", training.score, catalog={"get": described})
            >> Success("done"),
            Fail("failed"),
        ]
    )
    return Pipeline(
        name="digits",
        description="Recognise handwritten digits.",
        steps=[
            Task("load and split", dataset.load_and_split, catalog={"put": ["split.npz"]})
            >> Parallel(
                "describe",
                branches={
                    "pixels": feature_branch(features.pixel_features, "features/pixels.npz"),
                    "gradients": feature_branch(features.gradient_features, "features/gradients.npz"),
                },
            )
            >> Map(
                "try regularisations",
                iterate_on="regularisations",
                iterate_as="regularisation",
                branch=try_one,
            )
            >> Task("select", selection.select_best)
            >> Task(
                "evaluate",
                selection.evaluate,
                catalog={
                    "get": [*described, "models/*.npz"],
                    "put": ["evaluation.json", "predictions.npz"],
                },
            )
            >> Task(
                "report",
                "report.ipynb",
                command_type="notebook",
                catalog={"get": ["predictions.npz"], "put": ["report/*"]},
            )
            >> Success("done"),
            Fail("failed"),
        ],
    )


if __name__ == "__main__":
    build().execute(
        config="config.yaml",
        parameters="parameters.yaml",
        run_id=sys.argv[1] if len(sys.argv) > 1 else None,
    )
