"""Many values are written as one is."""

import numpy as np

from heapgraph.analysis.expressions.literals import literal, literals, text_of, texts_of
from heapgraph.model import EdgeKind
from helpers.app_heap import graph_of
from helpers.heaps import HeapBuilder

VALUES = (
    *(("int", text) for text in ("0", "-0", "17", "-17", "007", "1" * 81, "12…", None)),
    *(("bool", "True"), ("float", "1e9"), ("float", "1"), ("float", "inf"), ("bytes", "b'a\"'")),
    *(("str", text) for text in ("a", "it's", "x" * 81, "\N{REPLACEMENT CHARACTER}", "", None)),
    *(("NoneType", None), ("ellipsis", None), ("app.Key", "17"), ("tuple", None)),
)


def test_many_at_once_read_as_one_by_one():
    heap = HeapBuilder()
    ids = [heap.object(name, preview=preview) for name, preview in VALUES]
    heap.edge(ids[-1], ids[2], EdgeKind.INDEX, 0)
    graph = graph_of(heap)
    many = np.array(ids, np.uint32)
    assert literals(graph, many) == [literal(graph, each) for each in ids]
    assert texts_of(graph, many) == [text_of(graph, each) for each in ids]
    assert literals(graph, many)[:8] == ["0", "0", "17", "-17", None, "1" * 81, None, None]
    assert literals(graph, many)[-1] == "(17,)"
