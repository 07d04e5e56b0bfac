"""Pictures as a browser and librsvg show them, on machines with these or those fonts.

with picture_view("dejavu", folder) as view:
    assert view.look_at(svg).faults == []
    assert view.ink_outside_boxes(svg) == 0
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from helpers.chromium import BrowserPage, find_chromium, open_page
from helpers.fonts import font_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOOK = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
_SVG = "{http://www.w3.org/2000/svg}"

_INK = """
(async ([png, boxes, width]) => {
  const image = new Image();
  image.src = "data:image/png;base64," + png;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const scale = image.width / width;
  for (const [x, y, w, h] of boxes) context.clearRect(x * scale, y * scale, w * scale, h * scale);
  const bytes = context.getImageData(0, 0, image.width, image.height).data;
  const pixels = new Uint32Array(bytes.buffer);
  let count = 0;
  for (let i = 0; i < pixels.length; i++) count += pixels[i] >>> 24 > 64;
  return count;
})(%s)
"""
"""Pixels of an image that are not transparent, besides those in boxes."""


@dataclass(frozen=True)
class Sight:
    """What a browser makes of a picture.

    Attributes:
        faults: texts outside their boxes or beside the middle of one, on one another, on other
            boxes or on lines.
        shown: texts that are seen.
        texts: all of them.
    """

    faults: list[str]
    shown: int
    texts: int


class PictureView:
    """One browser, for as many pictures as there are."""

    def __init__(
        self, runner: asyncio.Runner, page: BrowserPage, environment: dict[str, str]
    ) -> None:
        """Look at nothing yet."""
        self._runner, self._page, self._environment = runner, page, environment

    def look_at(self, svg: str, font: str | None = None) -> Sight:
        """Show a picture, and say what there is to see.

        Args:
            svg: the document.
            font: a family to show it in, in place of those that it asks for.
        """
        self._show(svg)
        if font is not None:
            self._value(f"document.querySelector('svg').setAttribute('font-family', '{font}')")
        return Sight(**self._value(_LOOK))

    def colours(self, svg: str, *, is_dark: bool) -> dict[str, str]:
        """By class, the colours that things are filled with on a light or a dark screen."""
        value = "dark" if is_dark else "light"
        features = [{"name": "prefers-color-scheme", "value": value}]
        self._runner.run(self._page.call("Emulation.setEmulatedMedia", features=features))
        self._show(svg)
        found: dict[str, str] = self._value(
            "Object.fromEntries([...document.querySelectorAll('svg [class^=heapgraph-]')]"
            ".map((one) => [one.getAttribute('class'), getComputedStyle(one).fill]))"
        )
        return found

    def ink_outside_boxes(self, svg: str) -> int:
        """How many pixels of the texts of boxes librsvg draws outside the boxes."""
        document = ET.fromstring(svg)
        for parent in document.iter():
            for child in list(parent):
                if child.get("class") in ("title", "arrow", "heapgraph-ground"):
                    parent.remove(child)
        group = document.find(f"{_SVG}g")
        assert group is not None
        moved = group.get("transform", "")
        left, top = map(float, moved.removeprefix("translate(").removesuffix(")").split())
        boxes = []
        for rect in document.iter(f"{_SVG}rect"):
            x, y, width, height = (float(rect.attrib.pop(n)) for n in ("x", "y", "width", "height"))
            boxes.append((x + left, y + top, width, height))
        drawn = subprocess.run(
            ["rsvg-convert", "-d", "48", "-p", "48"],
            input=ET.tostring(document),
            env={**os.environ, **self._environment},
            capture_output=True,
            check=True,
        )
        width = float(document.get("viewBox", "").split()[2])
        sent = json.dumps([base64.b64encode(drawn.stdout).decode(), boxes, width])
        ink: int = self._value(_INK % sent)
        return ink

    def _show(self, svg: str) -> None:
        """Put a picture into the page, as a notebook does."""
        body = json.dumps(svg[svg.index("<svg") :])
        self._value(f"document.body.innerHTML = {body}; 0")

    def _value(self, expression: str) -> Any:
        return self._runner.run(self._page.value(expression))


@contextlib.contextmanager
def picture_view(setup: str, folder: Path) -> Iterator[PictureView]:
    """Start a browser on a machine with the fonts of a setup, and end it afterwards."""
    environment = font_environment(setup, folder)
    program = find_chromium()
    assert program is not None, "no chromium on this machine"
    with asyncio.Runner() as runner:
        opened = open_page(program, folder / "profile", "about:blank", environment)
        page = runner.run(opened.__aenter__())
        try:
            yield PictureView(runner, page, environment)
        finally:
            runner.run(opened.__aexit__(None, None, None))
