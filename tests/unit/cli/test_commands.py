"""Each command on the heap of helpers/app_heap.py: its JSON keys, its table, its numbers."""

from __future__ import annotations

import pytest

from heapgraph.model import NativeGrade, NativeKind
from helpers.app_heap import MEBIBYTE, app_heap
from helpers.cli import invoke
from helpers.heaps import draw_heap

OBJECT_KEYS = [
    *("id", "address", "type", "expression", "shallow_size", "retained_size", "native_size"),
    *("share", "growth"),
]
PAYLOAD = "app.sessions.CACHE['user:42'].history[3]"


@pytest.fixture(scope="module")
def heap():
    return app_heap()


@pytest.fixture(scope="module")
def snapshot(heap, tmp_path_factory):
    return heap.write(tmp_path_factory.mktemp("cli") / "app.heapgraph")


def run(*arguments):
    outcome = invoke(*arguments)
    assert outcome.code == 0, outcome.stderr
    return outcome


def test_summary(snapshot):
    document = run("summary", snapshot, "--json").document
    assert list(document) == ["target", "totals", "roots", "quality", "memory"]
    assert document["target"]["pid"] == 4711
    # Two lists, and two names of inline attributes, which no class of this small heap holds.
    assert document["totals"]["unreachable_objects"] == 4
    assert {root["kind"]: root["count"] for root in document["roots"]} == {
        "module": 2,
        "frame": 1,
        "c-held": 1,
    }
    memory = document["memory"]
    sizes = {group["name"]: group["size"] for group in memory["groups"]}
    assert (memory["accounted_size"], sizes["mapped files"]) == (9 * MEBIBYTE, MEBIBYTE)
    assert memory["verdict"] == "objects"
    table = run("summary", snapshot).stdout
    assert "verdict: objects" in table
    assert "4711 on example" in table
    assert "/usr/bin/python3.13 app.py" in table


def test_memory(snapshot):
    document = run("memory", snapshot, "--json").document
    account = [
        "rss",
        "accounted_size",
        "private_size",
        "verdict",
        "share",
        "reason",
        "groups",
        "parts",
    ]
    lists = ["pins", "nearly_empty", "size_classes", "large_blocks", "native_owners"]
    assert list(document) == [*account, *lists, "arenas"]
    assert sum(part["size"] for part in document["parts"]) == document["accounted_size"]
    assert [block["kind"] for block in document["large_blocks"]] == ["heap", "mapped file"]
    outcome = run("memory", snapshot, "--limit", 1)
    assert "in heaps of malloc" in outcome.stdout
    assert "/usr/lib/libc.so.6" not in outcome.stdout
    assert "no arenas of pymalloc" in outcome.stderr


def test_histogram(snapshot):
    document = run("histogram", snapshot, "--json").document
    assert list(document) == ["types"]
    rows = {row["type"]: row for row in document["types"]}
    keys = ["type", "count", "shallow_size", "retained_size", "native_size"]
    assert list(rows["bytes"]) == keys
    assert rows["bytes"]["count"] == 3
    assert rows["bytes"]["retained_size"] == 3 * MEBIBYTE + 35
    retained = [row["retained_size"] for row in document["types"]]
    assert retained == sorted(retained, reverse=True)
    limited = run("histogram", snapshot, "--limit", 2)
    assert len(limited.stdout.splitlines()) == 3
    assert "more types" in limited.stderr
    assert "native" not in limited.stdout


def test_a_histogram_with_native_memory(tmp_path):
    """Given blocks of C code, then their owners' types have a column, and may come first."""
    heap = app_heap()
    heap.native([heap.ids["second"]], 3 * MEBIBYTE)
    path = heap.write(tmp_path / "native.heapgraph")
    outcome = run("histogram", path, "--sort", "native")
    header, first, second, *_ = outcome.stdout.splitlines()
    assert header.split() == ["retained", "native", "(estimate)", "shallow", "count", "type"]
    assert first.endswith("app.sessions.User")
    assert "3.00 MiB" in first
    assert " 0 B " in second
    document = run("histogram", path, "--sort", "native", "--json").document
    sizes = [row["native_size"] for row in document["types"]]
    assert sizes == [3 * MEBIBYTE, *[0] * (len(sizes) - 1)]
    retained = {row["type"]: row["retained_size"] for row in document["types"]}
    exact = run("histogram", app_heap().write(tmp_path / "exact.heapgraph"), "--json").document
    assert retained == {row["type"]: row["retained_size"] for row in exact["types"]}
    counted = run("histogram", path, "--sort", "count", "--json").document["types"]
    assert [row["count"] for row in counted] == sorted((r["count"] for r in counted), reverse=True)
    assert invoke("histogram", path, "--sort", "size").code == 2


def test_dominators(snapshot):
    document = run("dominators", snapshot, "--limit", 3, "--json").document
    assert list(document) == ["objects"]
    first = document["objects"][0]
    assert list(first) == OBJECT_KEYS
    assert first["expression"] == "app.sessions"
    assert first["shallow_size"] == 72 + 232
    assert len(document["objects"]) == 3
    assert first["share"] == pytest.approx(first["retained_size"] / (10 * MEBIBYTE), rel=0.01)


def test_dominators_of_an_object_are_its_children(snapshot, heap):
    folded = run("dominators", snapshot, "--of", "app.sessions.CACHE['user:42']", "--json")
    raw = run("dominators", snapshot, "--raw", "--of", "CACHE['user:42']", "--json")
    children = [row["id"] for row in folded.document["objects"]]
    assert children[0] == heap.ids["history"]
    assert heap.ids["user.__dict__"] not in children
    assert [row["id"] for row in raw.document["objects"]] == [heap.ids["user.__dict__"]]


def test_path(snapshot, heap):
    document = run("path", snapshot, PAYLOAD, "--json").document
    assert list(document) == ["paths"]
    (path,) = document["paths"]
    assert list(path) == ["root", "expression", "steps"]
    assert path["root"] == {"kind": "module", "name": "app.sessions"}
    assert path["expression"] == PAYLOAD
    assert path["steps"][-1] == {
        "id": heap.ids["payload"],
        "type": "bytearray",
        "label": "3",
        "label_kind": "index",
        "native_size": 0,
    }
    labels = [step["label"] for step in path["steps"]]
    assert labels == [
        "app.sessions",
        "__dict__",
        "CACHE",
        "'user:42'",
        "__dict__",
        "history",
        "3",
    ]
    table = run("path", snapshot, PAYLOAD).stdout
    assert table.startswith(f"{PAYLOAD}\n  root: module")
    assert "native" not in table


def test_a_path_says_what_goes_with_its_objects_of_c_codes_memory(tmp_path):
    """Given blocks of one object, then all that hold it have them too, and what it holds not."""
    heap = app_heap()
    heap.native([heap.ids["user"]], 3 * MEBIBYTE)
    heap.native([heap.ids["second"]], 5000)
    path = heap.write(tmp_path / "native.heapgraph")
    (found,) = run("path", path, PAYLOAD, "--json").document["paths"]
    sizes = {step["label"]: step["native_size"] for step in found["steps"]}
    both = 3 * MEBIBYTE + 5000
    assert (sizes["app.sessions"], sizes["CACHE"]) == (both, both)
    assert (sizes["'user:42'"], sizes["history"], sizes["3"]) == (3 * MEBIBYTE, 0, 0)
    lines = run("path", path, PAYLOAD).stdout.splitlines()
    assert lines[2].split() == ["id", "native", "(estimate)", "type", "by", "label"]
    assert [line for line in lines if "'user:42'" in line][1].split()[1:3] == ["3.00", "MiB"]
    users = run("path", path, "type:app.sessions.User", "--json").document["paths"]
    assert sorted(row["native_size"] for row in users) == [5000, 3 * MEBIBYTE]
    table = run("path", path, "type:app.sessions.User").stdout.splitlines()
    assert "native (estimate)" in table[0]
    assert "4.88 KiB" in "".join(table)


def test_path_to_a_set_counts_what_each_holder_holds(snapshot):
    document = run("path", snapshot, "type:app.sessions.User", "@1", "--json").document
    assert sum(path["count"] for path in document["paths"]) == 3
    by_expression = {path["expression"]: path for path in document["paths"]}
    user = by_expression["app.sessions.CACHE['user:42']"]
    assert list(user)[3:] == ["count", "shallow_size", "retained_size", "native_size"]
    assert (user["count"], user["shallow_size"]) == (1, 48)
    assert user["retained_size"] > 4 * MEBIBYTE
    assert "app.sessions.CACHE[7]" in run("path", snapshot, "@7", "@18").stdout


def test_path_without_the_only_root_is_none(snapshot):
    held = "<held by C code, 2 references> list"
    outcome = run("path", snapshot, held, "--exclude", "weak,c-held", "--json")
    assert outcome.document == {"paths": []}
    assert "no path leads to 1 of the objects under these conditions" in outcome.stderr


def test_show(snapshot, heap):
    document = run("show", snapshot, "CACHE['user:42']", "--json").document
    assert list(document) == ["object", "references", "referrers", "dominators"]
    assert list(document["object"]) == [
        *(*OBJECT_KEYS, "value", "refcount", "held_from_c", "native_grades")
    ]
    (referrer,) = document["referrers"]
    assert referrer == {
        "id": heap.ids["CACHE"],
        "type": "dict",
        "label": "'user:42'",
        "label_kind": "value",
        "expression": "app.sessions.CACHE",
        "value": None,
        "retained_size": document["dominators"][0]["retained_size"],
    }
    assert [row["id"] for row in document["dominators"]] == [
        heap.ids["CACHE"],
        heap.ids["app.sessions"],
    ]


def test_show_accounts_for_references_of_c_code(snapshot, heap):
    document = run("show", snapshot, f"@{heap.ids['c_list']}", "--json").document
    assert document["object"]["refcount"] == 2
    assert document["object"]["held_from_c"] == 2
    table = run("show", snapshot, f"@{heap.ids['c_list']}").stdout
    assert "count 2: 0 from objects, 2 from C code" in table


def test_show_says_how_sure_it_is_of_native_memory(tmp_path):
    """Given blocks that two users lead to, their cache has them as surely as the worse does."""
    heap = app_heap()
    heap.native([heap.ids["user"]], 3 * MEBIBYTE)
    heap.native([heap.ids["second"]], 5000, grade=NativeGrade.CHAIN)
    both = [heap.ids["user"], heap.ids["second"]]
    heap.native(both, 2 * MEBIBYTE, NativeKind.SHARED, grade=NativeGrade.DOUBTFUL)
    path = heap.write(tmp_path / "native.heapgraph")
    cache = run("show", path, "app.sessions.CACHE", "--json").document["object"]
    grades = {"direct": 3 * MEBIBYTE, "chain": 5000, "doubtful": 2 * MEBIBYTE}
    assert cache["native_grades"] == grades
    assert cache["native_size"] == sum(grades.values())
    (line,) = native_lines(run("show", path, "app.sessions.CACHE").stdout)
    assert line == (
        "5.00 MiB go with it: 3.00 MiB that objects point at,"
        " 4.88 KiB over other memory of C code, 2.00 MiB doubtful"
    )
    user = run("show", path, "app.sessions.CACHE['user:42']", "--json").document["object"]
    assert user["native_grades"] == {"direct": 3 * MEBIBYTE}
    payload = run("show", path, PAYLOAD)
    assert native_lines(payload.stdout) == []


def test_memory_marks_what_only_the_roots_have_in_common(tmp_path):
    """Given users of one cache that share blocks with what a thread has, then the row names both
    types, and says that it is not known whose they are."""
    heap = app_heap()
    users = [heap.ids["user"], heap.ids["second"]]
    heap.native(users, 3 * MEBIBYTE, NativeKind.SHARED)
    heap.native([*users, heap.ids["row"]], 2 * MEBIBYTE, NativeKind.SHARED)
    shown = run("memory", heap.write(tmp_path / "native.heapgraph")).stdout
    rows = [line.split() for line in shown.splitlines() if "app.sessions.User" in line][-2:]
    of_users = ["2", "app.sessions.User", "app.sessions.CACHE"]
    of_all = "3 app.sessions.User, app.Row (shared, doubtful) mostly app.sessions.CACHE"
    assert [row[2:] for row in rows] == [of_users, of_all.split()]


def native_lines(text):
    found = [line.partition("native memory (estimate)") for line in text.splitlines()]
    return [rest.strip() for _, title, rest in found if title]


def test_show_has_the_value_that_was_kept(snapshot):
    name = run("show", snapshot, "CACHE['user:42'].name", "--json").document
    assert name["object"]["value"] == "'Ada'"


def test_show_says_of_the_fields_their_values_and_where_else_they_are(snapshot):
    user = run("show", snapshot, "CACHE['user:42']").stdout
    (name,) = [line.split() for line in user.splitlines() if " name " in line]
    assert (name[2], name[3], name[-1]) == ("value", "name", "'Ada'")
    raw = run("show", snapshot, "CACHE['user:42']", "--raw").stdout
    assert "__dict__" in raw
    assert "'Ada'" not in raw
    (held,) = [line.split() for line in user.splitlines() if "'user:42'" in line][1:]
    assert held[-1] == "app.sessions.CACHE"


def test_verify(snapshot):
    document = run("verify", snapshot, "--json").document
    assert list(document) == ["checks"]
    assert [check["passed"] for check in document["checks"]] == [True] * len(document["checks"])


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"list_breaks": 1}, "collector lists"),
        ({"invalid_references": 5}, "invalid references"),
        ({"negative_refcounts": 5}, "negative reference counts"),
        ({"reached_from_named_roots": 0.9, "c_held_types": 0.5}, "explained objects"),
        ({"grade": "poor", "reasons": ["the heap moved"]}, "grade"),
    ],
)
def test_verify_fails_below_the_promised_quality(heap, tmp_path, change, failed):
    quality = heap.manifest()["quality"] | change
    poor = heap.write(tmp_path / "poor.heapgraph", quality=quality)
    outcome = invoke("verify", poor, "--json")
    assert outcome.code == 1
    assert [c["name"] for c in outcome.document["checks"] if not c["passed"]] == [failed]
    assert failed in outcome.error[0]


def test_garbage_explains_objects_that_no_root_reaches(heap, tmp_path):
    quality = heap.manifest()["quality"] | {"reached_from_named_roots": 0.5, "garbage": 40}
    file = heap.write(tmp_path / "garbage.heapgraph", quality=quality)
    assert invoke("verify", file).code == 0


def test_a_library_may_hold_many_objects_of_a_few_types(heap, tmp_path):
    quality = heap.manifest()["quality"] | {"reached_from_named_roots": 0.5, "c_held_types": 0.02}
    file = heap.write(tmp_path / "held.heapgraph", quality=quality)
    assert invoke("verify", file).code == 0


def test_names_of_roots_do_not_drive_the_terminal(tmp_path):
    heap = draw_heap("leaked")
    heap.root("interpreter", "a\x1b]8;;http://evil\x07\nb", heap.ids["leaked"])
    file = heap.write(tmp_path / "evil.heapgraph")
    shown = run("path", file, f"@{heap.ids['leaked']}").stdout
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert r"a\x1b]8;;http://evil\x07\nb" in shown
