from __future__ import annotations

import pytest
from batch_kit import Kit


@pytest.fixture
def kit() -> Kit:
    """Return what tests of the executor are made from."""
    return Kit()
