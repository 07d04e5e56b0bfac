"""Machines with other fonts than this one, as far as fontconfig tells programs of fonts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

FONTS = Path("/usr/share/fonts/truetype")
SETUPS: dict[str, tuple[str, ...]] = {
    "dejavu": ("dejavu/*.ttf",),
    "liberation": ("liberation/*.ttf",),
    "no-monospaced": ("dejavu/DejaVuSans.ttf", "dejavu/DejaVuSans-Bold.ttf"),
    "none": (),
}
"""Files that a machine has: Debian's packages fonts-dejavu-core, fonts-liberation; one font only,
the widest that is usual; none at all, where a browser shows no text."""

ALL = "all"
"""The setup that has all of these."""

needs_fonts = pytest.mark.skipif(
    not all(any(FONTS.glob(files)) for setup in SETUPS.values() for files in setup)
    and not os.environ.get("CI"),
    reason="fonts are missing: apt-get install fonts-dejavu-core fonts-liberation",
)
needs_rsvg = pytest.mark.skipif(
    shutil.which("rsvg-convert") is None and not os.environ.get("CI"),
    reason="no rsvg-convert on this machine: apt-get install librsvg2-bin",
)


def font_environment(setup: str, folder: Path) -> dict[str, str]:
    """The variable that makes programs see the fonts of a setup and no others.

    Args:
        setup: one of `SETUPS`, or `ALL`.
        folder: for links to the fonts and for what fontconfig keeps.
    """
    fonts = folder / "fonts"
    fonts.mkdir()
    wanted = {*sum(SETUPS.values(), ())} if setup == ALL else SETUPS[setup]
    found = {file for files in wanted for file in FONTS.glob(files)}
    assert bool(found) == bool(wanted), f"the fonts of {setup} are not installed"
    for file in found:
        (fonts / file.name).symlink_to(file)
    configuration = folder / "fonts.conf"
    configuration.write_text(
        f"<fontconfig><dir>{fonts}</dir><cachedir>{folder / 'cache'}</cachedir></fontconfig>"
    )
    return {"FONTCONFIG_FILE": str(configuration)}
