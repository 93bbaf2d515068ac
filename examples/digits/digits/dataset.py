"""Loading the handwritten digits and splitting them three ways."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from digits.files import SPLITS, write_arrays


def load_and_split(seed: int, validation_fraction: float, test_fraction: float) -> dict[str, Any]:
    """Split the digits into `train`, `validation` and `test`, and write them to `split.npz`.

    Args:
        seed: Of the shuffle; the same seed gives the same split.
        validation_fraction: Share of the images that models are compared on, between 0 and 1.
        test_fraction: Share of the images that only the chosen model sees, between 0 and 1.

    Returns:
        `split_sizes`: how many images each split holds.

    Raises:
        ValueError: The two fractions leave nothing to train on.
    """
    if not 0 < validation_fraction + test_fraction < 1:
        raise ValueError(f"fractions {validation_fraction} and {test_fraction} leave nothing to train on")
    digits = load_digits()
    order = np.random.default_rng(seed).permutation(len(digits.target))
    validation_size = round(len(order) * validation_fraction)
    test_size = round(len(order) * test_fraction)
    train_size = len(order) - validation_size - test_size
    members = dict(zip(SPLITS, np.split(order, [train_size, train_size + validation_size]), strict=True))

    arrays = {}
    for split, indices in members.items():
        arrays[f"{split}_images"] = digits.images[indices]
        arrays[f"{split}_labels"] = digits.target[indices]
    write_arrays("split.npz", **arrays)
    return {"split_sizes": {split: len(indices) for split, indices in members.items()}}
