"""A redacted snapshot holds names that programmers wrote and no value of the target."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest

from heapgraph.model import EdgeKind, ObjectFlags
from heapgraph.snapshot import open_snapshot, write_snapshot
from heapgraph.snapshot.redacting.places import redacted_file
from heapgraph.snapshot.redacting.redaction import HASHED_PREFIX, redact_manifest, redact_tables
from heapgraph.snapshot.schema import ROW_GROUP_ROWS, TABLES
from helpers.heaps import HeapBuilder

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

SECRETS = (
    "hunter2",
    "4111111111111111",
    "alice@example.com",
    "deadbeefcafe",
    "b'private key'",
    "s3cret_thread",
    "weird module!",
    "--password=swordfish",
    "setattr secret",
    "identifier_secret",
    "interned_secret",
    "module_secret",
    "secret_folder",
)
"""Values of `secretive_heap`, each in a place of its own."""


def code_with(heap: HeapBuilder, *names: str, depth: int = 0) -> int:
    """Add a code object that has names, in a constant of a constant where `depth` says so."""
    code = heap.code("serve (/srv/secret_folder/serve.py:12)")
    holder = heap.object("tuple")
    heap.edge(code, holder, EdgeKind.FIELD, "co_consts" if depth else "co_names")
    for level in range(depth):
        inner = heap.object("frozenset" if level % 2 else "tuple")
        heap.edge(holder, inner, EdgeKind.INDEX, 0)
        holder = inner
    for position, name in enumerate(names):
        heap.edge(holder, heap.object("str", preview=name), EdgeKind.INDEX, position)
    return code


def secretive_heap() -> HeapBuilder:
    """Make a heap with a secret in every place where a value of the target can stand."""
    heap = HeapBuilder()
    module = heap.object("module", name="module")
    cache = heap.object("dict", name="cache")
    session = heap.object("app.Session", name="session")
    members = heap.object("set")
    heap.root("module", "app.sessions", module)
    heap.root("module", "weird module!", module)
    heap.module_row(module, "app.sessions", "/srv/secret_folder/sessions.py")
    heap.module_row(module, "weird module!", "/srv/secret_folder/hunter2!")
    heap.root("builtins", "weird but ours", module)
    heap.edge(module, cache, EdgeKind.VALUE, "CACHE")
    for text in ("hunter2", "4111111111111111"):
        heap.edge(session, heap.object("str", preview=text), EdgeKind.ATTRIBUTE, "password")
    number = heap.object("int", preview="4111111111111111", name="number")
    heap.edge(cache, session, EdgeKind.VALUE, number)
    heap.edge(cache, session, EdgeKind.VALUE, heap.object("str", preview="alice@example.com"))
    heap.edge(cache, session, EdgeKind.VALUE, heap.object("str", preview="deadbeefcafe"))
    heap.edge(cache, session, EdgeKind.VALUE, heap.object("bytes", preview="b'private key'"))
    heap.edge(cache, session, EdgeKind.VALUE, heap.object("tuple"))
    heap.edge(session, cache, EdgeKind.ATTRIBUTE, "setattr secret")
    heap.edge(session, cache, EdgeKind.ATTRIBUTE, "identifier_secret")
    heap.edge(cache, session, EdgeKind.VALUE, "interned_secret")
    heap.edge(cache, module, EdgeKind.VALUE, "module_secret")
    heap.edge(members, heap.object("str", preview="hunter2"), EdgeKind.MEMBER)
    heap.edge(members, heap.object("str", preview="hunter2"), EdgeKind.KEY, 3)
    frame = heap.frame(heap.thread("s3cret_thread"), "serve", "/srv/secret_folder/serve.py")
    heap.thread("ThreadPoolExecutor-0_1")
    heap.thread(None)
    heap.root("frame", "session", session, frame=frame)
    heap.edge(session, module, EdgeKind.LOCAL, "request")
    heap.edge(session, module, EdgeKind.LOCAL, ".0")
    heap.edge(cache, module, EdgeKind.VALUE, heap.object("str", preview="app.sessions"))
    heap.edge(cache, module, EdgeKind.VALUE, heap.object("str", preview="weird module!"))
    code_with(heap, "password", "CACHE")
    return heap


def redacted_previews(heap: HeapBuilder, salt: bytes | None = None) -> list[str | None]:
    previews: list[str | None] = preview_column(redact_tables(heap.tables(), salt)).to_pylist()
    return previews


def preview_column(tables: dict[str, pa.Table]) -> pa.ChunkedArray:
    return tables["objects"].column("preview")


def manifest_with_secrets(heap: HeapBuilder) -> dict[str, object]:
    target = heap.manifest()["target"]
    target["command_line"] = ["/usr/bin/python3.13", "app.py", "--password=swordfish"]
    return heap.manifest(target=target)


def everything_in(path: Path) -> str:
    """All text of a file: its manifest and every text column."""
    with zipfile.ZipFile(path) as archive:
        text = archive.read("manifest.json").decode()
    with open_snapshot(path) as snapshot:
        for table in TABLES:
            text += str(snapshot.table(table).to_pydict())
    return text


def test_no_secret_is_in_a_redacted_file(tmp_path: Path):
    """Given a secret in every place, then the plain file has them all and the redacted none."""
    heap = secretive_heap()
    manifest, tables = manifest_with_secrets(heap), heap.tables()
    write_snapshot(tmp_path / "plain.heapgraph", manifest, tables)
    write_snapshot(
        tmp_path / "redacted.heapgraph", redact_manifest(manifest), redact_tables(tables)
    )
    plain = everything_in(tmp_path / "plain.heapgraph")
    redacted = everything_in(tmp_path / "redacted.heapgraph")
    assert [secret for secret in SECRETS if secret not in plain] == []
    assert [secret for secret in SECRETS if secret in redacted] == []


@pytest.mark.parametrize(
    "name",
    [
        "password",  # an attribute
        "CACHE",  # a global variable: an interned identifier that is a dict key
        "request",  # a local variable
        ".0",  # what the compiler calls a comprehension's iterable
        "app.sessions",  # a key of sys.modules
        "serve (serve.py:12)",  # a code object
    ],
)
def test_names_from_the_source_stay(name: str):
    """Given what the program's author wrote, then paths stay readable."""
    assert name in redacted_previews(secretive_heap())


def test_other_tables_keep_names_and_places():
    """Given roots, threads and frames, then only what may hold a value is replaced."""
    tables = redact_tables(secretive_heap().tables())
    roots = tables["roots"].column("name").to_pylist()
    assert roots[0] == "app.sessions"
    assert roots[1].startswith(HASHED_PREFIX)
    assert roots[2:] == ["weird but ours", "session"]
    threads = tables["threads"].column("name").to_pylist()
    assert threads[0].startswith(HASHED_PREFIX)
    assert threads[1:] == ["ThreadPoolExecutor-0_1", None]
    original = secretive_heap().tables()
    for name in ("references", "types", "names", "maps"):
        assert tables[name].equals(original[name])


def test_places_of_code_lose_their_folders_and_nothing_else():
    """Given frames, code and modules, then name, line and origin stay, and roots name modules."""
    original = secretive_heap().tables()
    tables = redact_tables(original)
    for name in ("frames", "codes", "modules"):
        before, after = original[name], tables[name]
        changed = ["file", "name"] if name == "modules" else ["file"]
        assert after.drop_columns(changed).equals(before.drop_columns(changed))
        assert after.schema.equals(before.schema)
    assert tables["frames"].column("file").to_pylist() == ["serve.py"]
    assert tables["codes"].column("file").to_pylist() == ["serve.py"]
    file, hashed = tables["modules"].column("file").to_pylist()
    assert file == "sessions.py"
    assert hashed.startswith(HASHED_PREFIX)
    names = tables["roots"].column("name").to_pylist()
    assert tables["modules"].column("name").to_pylist() == names[:2]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("", ""),
        ("/home/ada/shop/stock.py", "stock.py"),
        ("stock.py", "stock.py"),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>"),
        ("<string>", "<string>"),
        ("/home/ada/.venv/lib/python3.13/site-packages/flask/app.py", "flask/app.py"),
        ("/home/ada/py/lib/python3.13/threading.py", "threading.py"),
        ("/x/dist-packages/x.cpython-313-x86_64.so", "x.cpython-313-x86_64.so"),
        ("/home/ada/order 4711.py", None),
        ("<template for ada>", None),
        ("/srv/app/stock.py\x1b[2J", None),
    ],
)
def test_what_stays_of_a_path(path: str, shown: str | None):
    """Given the path of a source file, then no folder that a user named is left."""
    expected = "hash" if shown is None else shown
    assert redacted_file(path, lambda _: "hash") == expected


def test_objects_keep_everything_but_their_preview():
    """Given the objects table, then rows, order and all numbers are as before."""
    before = secretive_heap().tables()["objects"]
    after = redact_tables(secretive_heap().tables())["objects"]
    assert after.schema.equals(before.schema)
    assert after.drop_columns(["preview"]).equals(before.drop_columns(["preview"]))


def test_equal_keys_stay_equal_and_different_ones_different():
    """Given keys in two dicts, then a hash tells which are equal, and the salt changes all."""
    heap = HeapBuilder()
    first, second = heap.object("dict"), heap.object("dict")
    keys = [heap.object("str", preview=text) for text in ("a b", "a b", "c d")]
    for source, key in zip((first, second, second), keys, strict=True):
        heap.edge(source, first, EdgeKind.VALUE, key)
    same = redacted_previews(heap, b"salt")
    assert same[keys[0]] == same[keys[1]] != same[keys[2]]
    assert redacted_previews(heap, b"salt") == same
    assert redacted_previews(heap, b"other")[keys[0]] != same[keys[0]]
    assert redacted_previews(heap)[keys[0]] != redacted_previews(heap)[keys[0]]


@pytest.mark.parametrize(
    ("text", "in_code", "flags", "kind", "stays"),
    [
        ("name", True, ObjectFlags.INTERNED, EdgeKind.VALUE, True),
        ("name", False, ObjectFlags.INTERNED, EdgeKind.VALUE, False),
        ("two words", True, ObjectFlags.INTERNED, EdgeKind.VALUE, False),
        ("token", True, ObjectFlags(0), EdgeKind.VALUE, False),
        ("name", True, ObjectFlags(0), EdgeKind.ATTRIBUTE, True),
        ("name", False, ObjectFlags.INTERNED, EdgeKind.ATTRIBUTE, False),
        ("two words", True, ObjectFlags.INTERNED, EdgeKind.ATTRIBUTE, False),
        ("größe", False, ObjectFlags(0), EdgeKind.LOCAL, True),
        ("", True, ObjectFlags.INTERNED, EdgeKind.VALUE, False),
    ],
)
def test_which_labels_are_names(
    text: str, in_code: bool, flags: ObjectFlags, kind: EdgeKind, stays: bool
):
    """Given a label, then it stays if it is an identifier that code has."""
    heap = HeapBuilder()
    if in_code:
        code_with(heap, text)
    source = heap.object("dict")
    key = heap.object("str", preview=text, flags=flags)
    heap.edge(source, source, kind, key)
    preview = redacted_previews(heap)[key]
    assert preview is not None
    assert (preview == text) is stays
    assert preview.startswith(HASHED_PREFIX) is not stays


@pytest.mark.parametrize(("depth", "stays"), [(0, True), (1, True), (2, True), (9, False)])
def test_constants_of_constants_are_code(depth: int, stays: bool):
    """Given `x in {("a", 1)}`, then "a" occurs in code, down to a bounded depth."""
    heap = HeapBuilder()
    source = heap.object("dict")
    code_with(heap, "name", depth=depth)
    key = heap.object("str", preview="name", flags=ObjectFlags.INTERNED)
    heap.edge(source, source, EdgeKind.VALUE, key)
    assert (redacted_previews(heap)[key] == "name") is stays


def test_names_that_are_shown_anyway_are_no_secret():
    """Given the parts of names of types, slots, modules, and the keys of static types."""
    heap = HeapBuilder()
    holder, module = heap.object("shop.Order"), heap.object("module")
    heap.root("module", "shop.cart", module)
    heap.edge(holder, module, EdgeKind.SLOT, "total")
    static = heap.object("type", flags=ObjectFlags.IS_TYPE | ObjectFlags.STATIC)
    members = heap.object("dict")
    heap.edge(static, members, EdgeKind.FIELD, "tp_dict")
    heap.edge(members, module, EdgeKind.VALUE, heap.object("str", preview="append"))
    names = ("Order", "cart", "total", "append", "data")
    keys = [heap.object("str", preview=name) for name in names]
    for key in keys:
        heap.edge(holder, module, EdgeKind.ATTRIBUTE, key)
    previews = redacted_previews(heap)
    assert [previews[key] for key in keys][:4] == list(names[:4])
    assert previews[keys[4]] != "data"


def test_a_heap_without_previews_or_references_is_redacted_too():
    """Given nothing to take out, then nothing fails."""
    heap = HeapBuilder()
    assert redacted_previews(heap) == []
    heap.object()
    assert redacted_previews(heap) == [None]


def test_slices_of_the_table_fit_together(monkeypatch: pytest.MonkeyPatch):
    """Given slices of three objects, then each preview is still in its own row."""
    whole = redacted_previews(secretive_heap(), b"salt")
    assert len(whole) < ROW_GROUP_ROWS
    monkeypatch.setattr("heapgraph.snapshot.redacting.redaction._SLICE_ROWS", 3)
    assert redacted_previews(secretive_heap(), b"salt") == whole


def test_a_redacted_file_never_has_the_command_line(tmp_path: Path):
    """Given a manifest that only says it is redacted, then the writer takes the arguments out."""
    heap = secretive_heap()
    manifest = manifest_with_secrets(heap) | {"redacted": True}
    written = write_snapshot(tmp_path / "a.heapgraph", manifest, redact_tables(heap.tables()))
    assert written["target"]["command_line"] == ["python3.13"]
    assert "swordfish" not in everything_in(tmp_path / "a.heapgraph")


def test_of_the_command_line_only_the_executable_stays():
    """Given a rewritten command line, then the name comes from the executable's path."""
    heap = HeapBuilder()
    manifest = redact_manifest(manifest_with_secrets(heap))
    assert manifest["redacted"] is True
    assert manifest["target"]["command_line"] == ["python3.13"]
    assert manifest["target"]["pid"] == 4711
