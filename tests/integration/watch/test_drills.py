"""The fault drills of the daemon itself: it is killed, its disks fill, it is there twice."""

from __future__ import annotations

import pytest

from helpers.drills import names_of, pass_drill


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", names_of("daemon"))
def test_a_drill_of_the_daemon_passes(name: str):
    """Given a steady state and a fault, what is expected is seen, and the target is unharmed."""
    pass_drill(name)
