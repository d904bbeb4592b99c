# SPDX-License-Identifier: Apache-2.0
"""Deadlines. MDM_TEST_SLOW stretches all of them: sanitizers and busy machines need more."""
import os
import time

SLOW = float(os.environ.get("MDM_TEST_SLOW", "1"))
POLL, POLL_MAX = 0.005, 0.04


def seconds(number):
    return number * SLOW


def wait_until(condition, what, limit=10):
    """Polls until `condition` gives something true, and returns that."""
    end, pause = time.monotonic() + seconds(limit), POLL
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds(limit):g} s in vain: {what}")
        time.sleep(pause)
        pause = min(pause * 1.2, POLL_MAX)  # what takes long is asked seldom: many a condition is a request
