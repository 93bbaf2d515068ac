from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from magnus.domain.run_log import RunLog
from magnus.engine.terminal import Terminal
from magnus.sdk.reporter import LOGGER, LoggingReporter

if TYPE_CHECKING:
    import pytest


def test_a_run_that_is_left_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """With the reason; its jobs go on, and may cost money."""
    with Terminal() as terminal, caplog.at_level(logging.INFO, logger=LOGGER):
        LoggingReporter(terminal, "INFO").run_left(RunLog("r"), "interrupted by SIGINT")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message == "run r: left, because this process was interrupted by SIGINT; its jobs go on"


def test_a_notice_is_for_information(caplog: pytest.LogCaptureFixture) -> None:
    """What a run waits for is no cause for worry."""
    with Terminal() as terminal, caplog.at_level(logging.INFO, logger=LOGGER):
        LoggingReporter(terminal, "INFO").notice("waiting for a machine")
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.INFO, "waiting for a machine")
    ]
