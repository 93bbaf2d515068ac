"""Prints the tag of an image with Python and all that magnus depends on, but nothing of magnus: for `.ci/wheels`."""

from __future__ import annotations

import sys
from contextlib import closing

from containers.base_image import base_image
from containers.engine import connect
from containers.magnus_image import dependencies_image

with closing(connect()) as engine:
    sys.stdout.write(f"{dependencies_image(engine, base_image(engine).tag)}\n")
