"""Pictures can be read with every font: shown by a web browser and by librsvg, and measured.

No text is outside its box, on another or on a line, with the fonts DejaVu, Liberation, with no
monospaced font, and with none; and no font has a part in what is drawn.
"""

from __future__ import annotations

import pytest

from heapgraph.export.colours import DARK, LIGHT
from heapgraph.export.drawing import Look
from heapgraph.export.pictures import draw
from heapgraph.export.svg import render_svg
from helpers.app_heap import app_heap, graph_of, items, module, set_global, store
from helpers.chromium import needs_chromium
from helpers.fonts import SETUPS, font_environment, needs_fonts, needs_rsvg
from helpers.graphviz_program import needs_dot
from helpers.heaps import HeapBuilder
from helpers.hostile_heaps import hostile_heap
from helpers.picture_view import picture_view

pytestmark = [needs_dot, needs_fonts, needs_chromium]

WIDE, LONG = "日本語の名前👩" * 30, "AVeryLongWord_" * 30


def long_heap():
    """Names that are long, of the widest letters, and of letters two cells wide; and many alike."""
    heap = HeapBuilder()
    module(heap, f"app.{LONG}")
    mapping = heap.object("dict", name="mapping")
    set_global(heap, f"app.{LONG}", f"{LONG}CACHE", mapping)
    for number, text in enumerate((LONG, WIDE, "W" * 300, "a@b %" * 9, "Широкая_Южная_Щука_" * 9)):
        value = heap.object(f"app.{text}", size=10_000, preview=text, name=f"value{number}")
        store(heap, mapping, text, value)
        items(heap, value, *(heap.object(f"app.{text}", size=800) for _ in range(25)))
    return heap


def pictures():
    """Chains and retained trees of heaps that are made up: of an ordinary one and of bad ones."""
    for heap, names in (
        (app_heap(), ("payload", "row_payload", "app.sessions")),
        (hostile_heap(), ("evil",)),
        (long_heap(), ("mapping", *(f"value{number}" for number in range(3)))),
    ):
        graph = graph_of(heap)
        chosen = [heap.ids[name] for name in names]
        if names == ("evil",):
            chosen += graph.folded.children(heap.ids["evil"], 2)
        for object_id in chosen:
            yield render_svg(draw(graph, object_id, count=3))
            yield render_svg(draw(graph, object_id, dominators=True, limit=16))


@pytest.fixture(scope="module")
def drawn():
    """All of them."""
    return list(pictures())


@needs_rsvg
@pytest.mark.parametrize("setup", SETUPS)
def test_every_text_has_its_place(drawn, setup, tmp_path):
    with picture_view(setup, tmp_path) as view:
        for svg in drawn:
            sight = view.look_at(svg)
            assert sight.faults == [], svg
            assert sight.shown == (sight.texts if SETUPS[setup] else 0)
            if SETUPS[setup]:  # without a font librsvg draws boxes that stand for letters
                assert view.ink_outside_boxes(svg) == 0, svg


def test_fonts_have_no_part_in_what_is_drawn(drawn, tmp_path, monkeypatch):
    for name, value in font_environment("none", tmp_path).items():
        monkeypatch.setenv(name, value)
    assert next(pictures()) == drawn[0]


def test_a_picture_is_dark_where_the_screen_is(drawn, tmp_path):
    with picture_view("dejavu", tmp_path) as view:
        for palette in (LIGHT, DARK):
            found = view.colours(drawn[0], is_dark=palette is DARK)
            assert found["heapgraph-ground"] == rgb(palette.ground)
            assert found["heapgraph-quiet"] == rgb(palette.quiet)
            for look in (Look.ROOT, Look.PLAIN, Look.GOAL):
                assert found[f"heapgraph-{look.value}-box"] == rgb(palette.boxes[look].fill)
                assert found[f"heapgraph-{look.value}-text"] == rgb(palette.boxes[look].text)


def rgb(colour: str) -> str:
    """A colour as browsers report it."""
    return f"rgb({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))})"
