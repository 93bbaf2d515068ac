"""Two ways to describe an image of 8 x 8 pixels to a linear model. Each is one branch of the parallel node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from digits.files import SPLITS, read_arrays, write_arrays

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FEATURE_SETS = ("pixels", "gradients")

_BRIGHTEST = 16.0


def pixel_features() -> dict[str, Any]:
    """Describe each image by its 64 pixels, scaled to 0..1, in `features/pixels.npz`."""
    return _describe_all("pixels", _pixels)


def gradient_features(block_size: int = 2, orientations: int = 8) -> dict[str, Any]:
    """Describe each image by the directions of its strokes, block by block, in `features/gradients.npz`.

    Args:
        block_size: Side of a square block in pixels; it divides 8.
        orientations: How many directions the full circle is divided into.
    """
    return _describe_all("gradients", lambda images: _gradient_histograms(images, block_size, orientations))


def _describe_all(name: str, describe: Callable[[Floats], Floats]) -> dict[str, Any]:
    images = read_arrays("split.npz")
    described = {split: describe(images[f"{split}_images"]) for split in SPLITS}
    write_arrays(f"features/{name}.npz", **described)
    # The branches of a parallel node set different keys, so that their parameters can be joined.
    return {f"{name}_count": described["train"].shape[1]}


def _pixels(images: Floats) -> Floats:
    return images.reshape(len(images), -1) / _BRIGHTEST


def _gradient_histograms(images: Floats, block_size: int, orientations: int) -> Floats:
    """Sum the gradients' strengths by direction within each block, and scale each image to unit length."""
    down, right = np.gradient(images, axis=(1, 2))
    strength = np.hypot(down, right)
    turn = np.arctan2(down, right) / (2 * np.pi) % 1.0
    direction = np.floor(turn * orientations).astype(int) % orientations

    count, height, width = images.shape
    # One axis per direction, then both image axes are cut into (block, position inside the block).
    by_direction = np.where(direction[..., None] == np.arange(orientations), strength[..., None], 0.0)
    blocks = by_direction.reshape(
        count, height // block_size, block_size, width // block_size, block_size, orientations
    ).sum(axis=(2, 4))
    histograms: Floats = blocks.reshape(count, -1)
    length = np.linalg.norm(histograms, axis=1, keepdims=True)
    return histograms / np.where(length > 0, length, 1.0)
