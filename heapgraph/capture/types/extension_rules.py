"""How the types of extension packages are read: a part of the rules of type_rules.py.

Most keep what they own in memory of their own making; see `Blocks`.
"""

from __future__ import annotations

from heapgraph.capture.types.rule import BlockContents, Blocks, Handler, TypeRule, hidden

_OWN_TABLE = TypeRule(
    scan_from=16,
    blocks=Blocks(BlockContents.REFERENCES | BlockContents.BYTES, depth=1, raw_depth=1),
)

_KHASH = Blocks(BlockContents.BYTES, depth=2, raw_depth=2)

# What `new` gave is not asked of Python's allocators, so it is not part of the size. Plain pointers
# inside of it are not followed: in memory that was never written, they are those of others.
_CPP_OBJECT = TypeRule(scan_from=16, blocks=Blocks(BlockContents.REFERENCES, depth=6, raw_depth=1))

# Table -> columns -> chunks -> array -> its data -> their list -> buffer, most of them by a vector
_ARROW = TypeRule(scan_from=16, blocks=Blocks(BlockContents.ARROW_BUFFERS, depth=12, raw_depth=0))

EXTENSION_RULES: dict[str, TypeRule] = {
    "numpy.ndarray": TypeRule(
        Handler.NDARRAY, hidden(("ndarray.base", "base"), ("ndarray.descr", "dtype"))
    ),
    # multidict: a hash table, with the names as they are compared
    "multidict._multidict.MultiDict": _OWN_TABLE,
    "multidict._multidict.CIMultiDict": _OWN_TABLE,
    # pandas: a khash table, and its three arrays
    "pandas._libs.hashtable.HashTable": TypeRule(scan_from=16, blocks=_KHASH),
    "pandas._libs.hashtable.PyObjectHashTable": TypeRule(
        Handler.KHASH, scan_from=16, blocks=_KHASH
    ),
    # greenlet: a C++ object, with the frame in which it stopped and a copy of the C stack it had.
    # Most references on a stack are borrowed.
    "greenlet.greenlet": TypeRule(
        scan_from=16,
        blocks=Blocks(
            BlockContents.REFERENCES | BlockContents.BYTES | BlockContents.STACK,
            depth=2,
            raw_depth=2,
            reference_depth=1,
        ),
    ),
    # Every class that pybind11 binds, and every one that nanobind does: the C++ object, its vectors
    "pybind11_object": _CPP_OBJECT,
    "metaclass nb_type": _CPP_OBJECT,
    "metaclass nanobind.nb_type": _CPP_OBJECT,
    **dict.fromkeys(
        (
            "pyarrow.lib." + name
            for name in ("Array", "Buffer", "ChunkedArray", "RecordBatch", "Table")
        ),
        _ARROW,
    ),
}
"""Rules by tp_name; "metaclass NAME" is for the classes of a metaclass whose name begins so."""
