"""Does a capture harm its target? Measured by targets that notice everything."""

import sys
from pathlib import Path

# Targets are started and looked at by the code that the tests use.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
