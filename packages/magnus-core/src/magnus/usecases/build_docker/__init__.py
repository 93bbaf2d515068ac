"""Builds an image that holds the project and magnus: what is behind `magnus build-docker`."""

from __future__ import annotations

from magnus.usecases.build_docker.building import BuiltImage, build_image
from magnus.usecases.build_docker.planning import ImageOptions, ImagePlan, plan_image

__all__ = ["BuiltImage", "ImageOptions", "ImagePlan", "build_image", "plan_image"]
