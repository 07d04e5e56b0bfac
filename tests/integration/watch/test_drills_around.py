"""The fault drills of what is around the daemon: targets and receivers."""

from __future__ import annotations

import pytest

from helpers.drills import names_of, pass_drill


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", names_of("around"))
def test_a_drill_of_what_is_around_the_daemon_passes(name: str):
    """Given a steady state and a fault, what is expected is seen, and the target is unharmed."""
    pass_drill(name)
