"""A linear classifier as three arrays: what it learns fits into an `.npz` file that any tool can read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from digits.files import read_arrays, write_arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Classifier:
    """Multinomial logistic regression.

    Attributes:
        weights: One row per class, one column per feature.
        offsets: One per class.
        classes: The label of each row.
    """

    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]
    classes: NDArray[np.int64]

    @classmethod
    def fit(cls, features: NDArray[Any], labels: NDArray[Any], regularisation: float) -> Classifier:
        """Train on *features* (images x features); a larger *regularisation* keeps the weights smaller."""
        model = LogisticRegression(C=1.0 / regularisation, max_iter=2000)
        # Quicker for small matrices than several threads, and the sums are taken in the same order on every machine.
        with threadpool_limits(limits=1):
            model.fit(features, labels)
        return cls(model.coef_, model.intercept_, model.classes_)

    def predict(self, features: NDArray[Any]) -> NDArray[np.int64]:
        """Give each row of *features* its most probable label."""
        most_probable = np.argmax(features @ self.weights.T + self.offsets, axis=1)
        labels: NDArray[np.int64] = self.classes[most_probable]
        return labels

    def accuracy(self, features: NDArray[Any], labels: NDArray[Any]) -> float:
        """Return the share of *features* that get the label in *labels*, between 0 and 1."""
        return float(np.mean(self.predict(features) == labels))

    def save(self, name: str) -> None:
        """Write the classifier to the file *name* of the data folder."""
        write_arrays(name, weights=self.weights, offsets=self.offsets, classes=self.classes)

    @classmethod
    def load(cls, name: str) -> Classifier:
        """Read a classifier from the file *name* of the data folder."""
        return cls(**read_arrays(name))
