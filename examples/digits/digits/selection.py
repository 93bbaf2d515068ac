"""Choosing one model and telling what it is worth on images that nothing before has seen."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from digits.classifier import Classifier
from digits.files import read_arrays, write_arrays, write_json
from digits.training import Score
from magnus import track_this


def select_best(scores: list[list[Score]]) -> dict[str, Any]:
    """Choose the candidate with the best validation accuracy; among equals the most regularised one.

    Args:
        scores: One list per item of the map, as `score` returned it.

    Returns:
        `best`: the `Score` of the chosen model.
    """
    best = max(chain.from_iterable(scores), key=lambda score: (score.accuracy, score.regularisation))
    track_this(best_validation_accuracy=best.accuracy)
    return {"best": best.model_dump()}


def evaluate(best: Score, minimum_accuracy: float) -> dict[str, Any]:
    """Measure the chosen model on the test split: `evaluation.json`, and `predictions.npz` for the report.

    Args:
        best: The chosen model.
        minimum_accuracy: What it has to reach, between 0 and 1.

    Returns:
        `test_accuracy`: share of right answers, between 0 and 1.

    Raises:
        ValueError: The model is not good enough. The step fails, and so does the run.
    """
    labels = read_arrays("split.npz")["test_labels"]
    features = read_arrays(f"features/{best.feature_set}.npz")["test"]
    predicted = Classifier.load(best.model_file).predict(features)
    accuracy = float(np.mean(predicted == labels))
    track_this(test_accuracy=accuracy)
    if accuracy < minimum_accuracy:
        raise ValueError(f"test accuracy {accuracy:.3f} is below the minimum of {minimum_accuracy:.3f}")

    write_arrays("predictions.npz", predicted=predicted, labels=labels)
    evaluation = {"model": best.model_dump(), "images": len(labels), "test_accuracy": accuracy}
    write_json("evaluation.json", evaluation)
    return {"test_accuracy": accuracy}
