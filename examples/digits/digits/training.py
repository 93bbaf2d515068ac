"""One item of the map: train with one strength of regularisation, then score on the validation split."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from digits.classifier import Classifier
from digits.features import FEATURE_SETS
from digits.files import DATA_FOLDER, read_arrays
from magnus import get_from_catalog, put_in_catalog, track_this


class Score(BaseModel):
    """How well one candidate did on the validation split.

    Attributes:
        feature_set: The description of the images it was trained on.
        regularisation: The strength it was trained with.
        accuracy: Share of right answers, between 0 and 1.
        model_file: Where it is kept, relative to the data folder.
    """

    feature_set: str
    regularisation: float
    accuracy: float
    model_file: str


def train(regularisation: float) -> None:
    """Train one classifier on each feature set and put it in the catalog.

    The items of a map may share a data folder. A pattern in the pipeline, such as `put: [models/*]`, would therefore
    take what the other items have left there, too; here each item puts its own files by name.
    """
    labels = read_arrays("split.npz")["train_labels"]
    for feature_set in FEATURE_SETS:
        features = read_arrays(f"features/{feature_set}.npz")["train"]
        model_file = _model_file(feature_set, regularisation)
        Classifier.fit(features, labels, regularisation).save(model_file)
        put_in_catalog(DATA_FOLDER / model_file)


def score(regularisation: float) -> dict[str, Any]:
    """Score the classifiers of *regularisation* on the validation split.

    Returns:
        `scores`: one `Score` per feature set. After the map this parameter is the list of these lists, in item order.
    """
    labels = read_arrays("split.npz")["validation_labels"]
    scores = []
    metrics: dict[str, Any] = {}
    for feature_set in FEATURE_SETS:
        features = read_arrays(f"features/{feature_set}.npz")["validation"]
        model_file = _model_file(feature_set, regularisation)
        get_from_catalog(model_file)
        accuracy = Classifier.load(model_file).accuracy(features, labels)
        metrics[f"{feature_set}_validation_accuracy"] = accuracy
        scores.append(
            Score(
                feature_set=feature_set,
                regularisation=regularisation,
                accuracy=accuracy,
                model_file=model_file,
            )
        )
    track_this(**metrics)
    return {"scores": [item.model_dump() for item in scores]}


def _model_file(feature_set: str, regularisation: float) -> str:
    """Name a model's file by what it was trained with, so that no two items of the map write the same file."""
    return f"models/{feature_set}-{regularisation:g}.npz"
