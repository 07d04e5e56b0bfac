"""Drawings of the heap of helpers/app_heap.py: boxes, lines, escapes; laid out where dot is."""

from __future__ import annotations

import re
import stat
from xml.etree import ElementTree as ET

import pytest

from heapgraph.analysis.expressions import resolve
from heapgraph.errors import HeapgraphError
from heapgraph.export.dot import dot_source
from heapgraph.export.drawing import Look
from heapgraph.export.pictures import MAX_CHAIN, dominated_drawing, paths_drawing
from heapgraph.export.svg import render_svg
from heapgraph.model import EdgeKind
from heapgraph.tui.screens.destinations import write_picture
from helpers.app_heap import app_heap, graph_of, items, module, set_global, store
from helpers.cli import invoke
from helpers.graphviz_program import needs_dot
from helpers.heaps import HeapBuilder

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def heap():
    return app_heap()


@pytest.fixture(scope="module")
def graph(heap):
    return graph_of(heap)


def draw_paths(graph, object_id, count=1):
    return paths_drawing(graph, object_id, graph.all_paths(object_id, count))


def lines_of(drawing, name):
    return [line.text for line in drawing.boxes[name].lines]


def arrows_of(drawing):
    return [(arrow.source, arrow.target, arrow.label.text) for arrow in drawing.arrows]


def texts(svg):
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter(f"{SVG}text")]


def test_a_chain_folds_dicts_and_marks_the_object(graph, heap):
    drawing = draw_paths(graph, heap.ids["payload"])
    ids = [heap.ids[name] for name in ("app.sessions", "CACHE", "user", "history", "payload")]
    assert list(drawing.boxes) == ["root1", *(f"object{object_id}" for object_id in ids)]
    user, history = heap.ids["user"], heap.ids["history"]
    assert (f"object{user}", f"object{history}", ".history") in arrows_of(drawing)
    marked = [name for name, box in drawing.boxes.items() if box.look is Look.GOAL]
    assert marked == [f"object{heap.ids['payload']}"]


def test_the_box_after_a_root_says_which_module(graph, heap):
    drawing = draw_paths(graph, heap.ids["payload"])
    assert lines_of(drawing, f"object{heap.ids['app.sessions']}")[0] == "module app.sessions"


def test_a_root_says_who_holds_it(graph, heap):
    frame = draw_paths(graph, heap.ids["row_payload"])
    root, *_ = frame.roots()
    assert lines_of(frame, root) == [
        "frame rows",
        "thread 'worker-3' in handle() at",
        "app.py:88",
    ]
    held = draw_paths(graph, heap.ids["c_bytes"])
    assert "2 references that only C code holds" in dot_source(held)


def test_chains_share_their_objects():
    """m.X and m.L[0] are one list: two lines into its box."""
    heap = HeapBuilder()
    module(heap, "m")
    target, holder = heap.object("list"), heap.object("list")
    items(heap, holder, target)
    set_global(heap, "m", "X", target)
    set_global(heap, "m", "L", holder)
    drawing = draw_paths(graph_of(heap), target, 5)
    into = [arrow for arrow in drawing.arrows if arrow.target == f"object{target}"]
    assert len(into) == 2


def test_the_middle_of_a_long_chain_is_counted():
    """m.X -> next -> ... 200 times: 202 boxes, of which 20 are drawn."""
    heap = HeapBuilder()
    module(heap, "m")
    last = heap.object("m.Item")
    set_global(heap, "m", "X", last)
    for _ in range(200):
        following = heap.object("m.Item")
        heap.edge(last, following, EdgeKind.ATTRIBUTE, "next")
        last = following
    drawing = draw_paths(graph_of(heap), last)
    assert "... 182 more" in dot_source(drawing)
    assert len(drawing.boxes) < MAX_CHAIN


def test_a_retained_tree_has_large_children_and_a_rest(graph, heap):
    module_id, cache = heap.ids["app.sessions"], heap.ids["CACHE"]
    drawing = dominated_drawing(graph, module_id, children=1)
    assert (f"object{module_id}", f"object{cache}", ".CACHE") in arrows_of(drawing)
    assert "more, " in lines_of(drawing, f"rest{cache}")[0]


def gathering_heap(count):
    """m.OWNER.queue: list of so many m.Job with 1000 B of data each."""
    heap = HeapBuilder()
    module(heap, "m")
    owner, queue = heap.object("m.Owner", name="owner"), heap.object("list", name="queue")
    set_global(heap, "m", "OWNER", owner)
    heap.edge(owner, queue, EdgeKind.SLOT, "queue")
    jobs = [heap.object("m.Job", size=48) for _ in range(count)]
    items(heap, queue, *jobs)
    for job in jobs:
        heap.edge(job, heap.object("bytes", size=1000), EdgeKind.SLOT, "data")
    heap.ids["data"] = heap.object("str", size=60)
    heap.edge(jobs[-1], heap.ids["data"], EdgeKind.SLOT, "name")
    return heap


def test_the_title_has_the_bytes_and_the_count_of_what_gathers():
    heap = gathering_heap(30)
    graph = graph_of(heap)
    queue = heap.ids["queue"]
    for drawing in (draw_paths(graph, queue), dominated_drawing(graph, queue)):
        shown = [line.text for line in drawing.title]
        assert shown[0] == "m.OWNER.queue"
        assert re.fullmatch(r"30\.8 KiB retained, [\d.]+ % of the heap, 62 objects", shown[1])
        assert shown[2] == "holds 30 of m.Job"
        assert "holds 30 of m.Job" in lines_of(drawing, f"object{queue}")


def test_of_one_of_many_the_title_says_where_they_gather():
    """And its own box is marked, since that one and not the object is what to look at."""
    heap = gathering_heap(30)
    drawing = draw_paths(graph_of(heap), heap.ids["data"])
    shown = [line.text for line in drawing.title]
    assert shown[0] == "m.OWNER.queue[29].name"
    assert shown[1].startswith("60 B retained, ")
    assert shown[-3] == "through m.OWNER.queue"
    assert shown[-2].startswith("30.8 KiB retained, ")
    assert shown[-1] == "holds 30 of m.Job"
    assert drawing.boxes[f"object{heap.ids['queue']}"].look is Look.GATHERING


def test_few_are_no_gathering():
    heap = gathering_heap(5)
    drawing = draw_paths(graph_of(heap), heap.ids["data"])
    assert not any("holds" in line.text for line in drawing.title)
    assert {box.look for box in drawing.boxes.values()} == {Look.ROOT, Look.PLAIN, Look.GOAL}


def hostile_heap():
    """m.X: dict: text full of markup -> str full of markup."""
    heap = HeapBuilder()
    module(heap, "m")
    mapping = heap.object("dict")
    set_global(heap, "m", "X", mapping)
    hostile = '<b>&amp;\\N"]}-->\x1b\x00\u202e<script>'
    target = heap.object("str", preview=hostile, name="target")
    store(heap, mapping, hostile, target)
    return heap


@needs_dot
def test_nothing_in_a_value_is_markup():
    heap = hostile_heap()
    svg = render_svg(draw_paths(graph_of(heap), heap.ids["target"]))
    shown = "".join(texts(svg))
    assert "<b>&amp;" in shown
    assert "<script>" not in svg
    assert "\x1b" not in svg
    assert "\u202e" not in svg


@needs_dot
@pytest.mark.parametrize("name", ["", " ", "\n", "\t \x00"])
def test_a_name_with_nothing_to_see_can_be_drawn(name):
    heap = HeapBuilder()
    module(heap, name)
    mapping = heap.object("dict", preview=name)
    set_global(heap, name, name, mapping)
    store(heap, mapping, name, heap.object(name, preview=name, name="target"))
    graph = graph_of(heap)
    for drawing in (
        draw_paths(graph, heap.ids["target"]),
        dominated_drawing(graph, heap.ids["target"]),
        dominated_drawing(graph, mapping),
    ):
        assert f"@{heap.ids['target']}" in "".join(texts(render_svg(drawing)))


@needs_dot
def test_an_svg_shows_the_way_from_the_root(graph, heap):
    shown = texts(render_svg(draw_paths(graph, heap.ids["payload"])))
    for text in ("module app.sessions", ".CACHE", "['user:42']", ".history", "[3]", "bytearray"):
        assert text in [line.strip() for line in shown], shown


def test_a_missing_dot_says_what_to_install(graph, heap, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(HeapgraphError) as caught:
        render_svg(draw_paths(graph, heap.ids["payload"]))
    assert caught.value.hint == "apt-get install graphviz"


@needs_dot
@pytest.mark.parametrize("options", [[], ["--all", 3], ["--dominators", "--limit", 2]])
def test_the_command_writes_a_picture(heap, tmp_path, options):
    snapshot = heap.write(tmp_path / "app.heapgraph", force=True)
    picture = tmp_path / "x.svg"
    outcome = invoke("svg", snapshot, "app.sessions.CACHE", "-o", picture, *options)
    assert outcome.code == 0, outcome.stderr
    assert ET.parse(picture).getroot().tag == f"{SVG}svg"


@needs_dot
def test_a_picture_is_written_as_a_snapshot_is(heap, tmp_path):
    """Given values of a snapshot that only its owner can read, then the same goes for these."""
    snapshot = heap.write(tmp_path / "app.heapgraph", force=True)
    picture, other = tmp_path / "x.svg", tmp_path / "other"
    words = ("svg", snapshot, "app.sessions.CACHE", "-o", picture)
    assert invoke(*words).code == 0
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    picture.write_bytes(b"precious")
    refused = invoke(*words)
    assert refused.code == 1
    assert refused.error[0] == f"{picture} exists"
    assert "--force" in refused.error[2]
    assert picture.read_bytes() == b"precious"
    assert invoke(*words, "--force").code == 0
    assert ET.parse(picture).getroot().tag == f"{SVG}svg"
    picture.rename(other)
    picture.symlink_to(other)
    other.write_bytes(b"precious")
    assert invoke(*words, "--force").code == 1
    assert other.read_bytes() == b"precious"


@needs_dot
def test_the_browser_writes_each_picture_beside_the_others(heap, graph, tmp_path):
    path, payload = tmp_path / "app-7.svg", heap.ids["payload"]
    first = write_picture(graph, payload, path, retained=False)
    path.write_bytes(b"precious")
    written = [first, *(write_picture(graph, payload, path, retained=True) for _ in range(2))]
    assert [each.name for each in written] == ["app-7.svg", "app-7-2.svg", "app-7-3.svg"]
    assert path.read_bytes() == b"precious"
    assert {stat.S_IMODE(each.stat().st_mode) for each in written} == {0o600}


def test_garbage_has_no_picture(heap, graph, tmp_path):
    snapshot = heap.write(tmp_path / "app.heapgraph", force=True)
    garbage = resolve(graph, f"@{graph.object_count - 1}")
    outcome = invoke("svg", snapshot, f"@{garbage}", "-o", tmp_path / "x.svg")
    assert outcome.code == 1
    assert "nothing keeps" in outcome.error[0]
    assert not (tmp_path / "x.svg").exists()
