"""Which code reads which builtin type, and what its fields are called: data for the walker.

A rule holds for the type with that tp_name and for everything derived from it, unless a nearer
ancestor has a rule of its own. Words that a C subclass adds behind the ruled part, and C types
without any rule, are scanned: every aligned word that is an object counts as a reference.

Offsets are names of layout fields, or numbers where the struct is the same in every version from
3.8 to 3.15 (the CPython source file is named). A field that a version lacks is left out.
"""

from __future__ import annotations

from heapgraph.capture.types.extension_rules import EXTENSION_RULES
from heapgraph.capture.types.rule import (
    BlockContents,
    Blocks,
    Buffer,
    BufferCount,
    Field,
    Handler,
    TypeRule,
    hidden,
    owned,
)


def _visited_since(version: tuple[int, ...], *fields: tuple[str | int, str]) -> tuple[Field, ...]:
    """Fields whose visit was added to the traverse function in that version."""
    return tuple(Field(where, name, visited_since=version) for where, name in fields)


def _fields(*fields: tuple[str | int, str]) -> TypeRule:
    return TypeRule(Handler.PLAIN, owned(*fields))


# PyDescr_COMMON (Include/cpython/descrobject.h): only the class is visited.
_DESCRIPTOR = TypeRule(
    Handler.PLAIN,
    owned(("descr.type", "__objclass__"))
    + hidden(("descr.name", "__name__"), ("descr.qualname", "__qualname__")),
)

_GENERATOR_FIELDS = owned(
    ("gen.frame", "gi_frame"),
    ("gen.code", "gi_code"),
    ("gen.name", "__name__"),
    ("gen.qualname", "__qualname__"),
)

_CODE_FIELDS = hidden(
    ("code.consts", "co_consts"),
    ("code.names", "co_names"),
    ("code.filename", "co_filename"),
    ("code.name", "co_name"),
    ("code.qualname", "co_qualname"),
    ("code.code", "co_code"),
    ("code.lnotab", "co_lnotab"),
    ("code.linetable", "co_linetable"),
    ("code.exceptiontable", "co_exceptiontable"),
    ("code.varnames", "co_varnames"),
    ("code.freevars", "co_freevars"),
    ("code.cellvars", "co_cellvars"),
    ("code.localsplusnames", "co_localsplusnames"),
    ("code.localspluskinds", "co_localspluskinds"),
)

_FRAME_FIELDS = owned(
    ("frame.back", "f_back"),
    ("frame.code", "f_code"),
    ("frame.builtins", "f_builtins"),
    ("frame.globals", "f_globals"),
    ("frame.locals", "f_locals"),
    ("frame.trace", "f_trace"),
    ("frame.extra_locals", "f_extra_locals"),
    ("frame.locals_cache", "f_locals_cache"),
    ("frame.overwritten_fast_locals", "f_overwritten_fast_locals"),
)

_FUNCTION_FIELDS = owned(
    ("func.code", "__code__"),
    ("func.globals", "__globals__"),
    ("func.builtins", "__builtins__"),
    ("func.module", "__module__"),
    ("func.defaults", "__defaults__"),
    ("func.kwdefaults", "__kwdefaults__"),
    ("func.doc", "__doc__"),
    ("func.name", "__name__"),
    ("func.qualname", "__qualname__"),
    ("func.closure", "__closure__"),
    ("func.annotations", "__annotations__"),
    ("func.annotate", "__annotate__"),
    ("func.typeparams", "__type_params__"),
)

_EXCEPTION_FIELDS = owned(
    ("exc.args", "args"),
    ("exc.notes", "__notes__"),
    ("exc.traceback", "__traceback__"),
    ("exc.context", "__context__"),
    ("exc.cause", "__cause__"),
)

_ITERATOR = _fields((24, "sequence"))  # seqiterobject and kin: {index, sequence}

# `buffered` of Modules/_io/bufferedio.c
_BUFFERED = TypeRule(Handler.PLAIN, owned((16, "raw")), buffers=(Buffer(56, 120, 1),))

# CDataObject of Modules/_ctypes/ctypes.h: small values lie in the object itself
_CTYPES_DATA = TypeRule(
    Handler.PLAIN,
    owned((32, "_b_base_"), (64, "_objects")),
    buffers=(Buffer(16, 40, 1, flag=24, in_getsizeof=False),),
)

# sem_t of glibc, which every lock allocated before locks became one byte
_LOCK = TypeRule(buffers=(Buffer(16, 0, 32, BufferCount.ONE, in_getsizeof=False, before=(3, 14)),))

_COMBINATIONS = TypeRule(
    Handler.PLAIN, owned((16, "pool"), (32, "result")), buffers=(Buffer(24, 40, 8),)
)

_DATETIME = TypeRule(Handler.DATETIME)

TYPE_RULES: dict[str, TypeRule] = {
    "object": TypeRule(),
    "NoneType": TypeRule(),
    "NotImplementedType": TypeRule(),
    "ellipsis": TypeRule(),
    "int": TypeRule(Handler.INT),
    "bool": TypeRule(Handler.INT),
    "float": TypeRule(Handler.FLOAT),
    "complex": TypeRule(),
    "str": TypeRule(Handler.STR),
    "bytes": TypeRule(Handler.BYTES),
    "bytearray": TypeRule(Handler.BYTEARRAY, hidden(("bytearray.object", "buffer"))),
    "list": TypeRule(Handler.LIST),
    "tuple": TypeRule(Handler.TUPLE),
    "dict": TypeRule(Handler.DICT),
    "frozendict": TypeRule(Handler.DICT),
    "set": TypeRule(Handler.SET),
    "frozenset": TypeRule(Handler.SET),
    "type": TypeRule(Handler.TYPE),
    "module": TypeRule(Handler.MODULE, hidden(("module.name", "md_name"))),
    "function": TypeRule(Handler.PLAIN, _FUNCTION_FIELDS),
    "builtin_function_or_method": _fields(
        ("cfunc.self", "__self__"), ("cfunc.module", "__module__")
    ),
    "method": _fields(("method.func", "__func__"), ("method.self", "__self__")),
    "cell": _fields(("cell.ref", "cell_contents")),
    "code": TypeRule(Handler.CODE, _CODE_FIELDS),
    "frame": TypeRule(Handler.FRAME, _FRAME_FIELDS),
    "generator": TypeRule(Handler.GENERATOR, _GENERATOR_FIELDS),
    "coroutine": TypeRule(
        Handler.GENERATOR, _GENERATOR_FIELDS + hidden(("coro.origin", "cr_origin"))
    ),
    "async_generator": TypeRule(
        Handler.GENERATOR, _GENERATOR_FIELDS + owned(("agen.finalizer", "ag_finalizer"))
    ),
    "BaseException": TypeRule(Handler.PLAIN, _EXCEPTION_FIELDS),
    "traceback": _fields(("tb.next", "tb_next"), ("tb.frame", "tb_frame")),
    # Objects/descrobject.c
    "wrapper_descriptor": _DESCRIPTOR,
    "method_descriptor": _DESCRIPTOR,
    "classmethod_descriptor": _DESCRIPTOR,
    "getset_descriptor": _DESCRIPTOR,
    "member_descriptor": _DESCRIPTOR,
    "method-wrapper": _fields((16, "descriptor"), (24, "__self__")),
    "mappingproxy": _fields((16, "mapping")),
    # Objects/funcobject.c; their __dict__ is found by tp_dictoffset
    "classmethod": _fields((16, "__func__")),
    "staticmethod": _fields((16, "__func__")),
    # Objects/rangeobject.c, sliceobject.c, typeobject.c
    "range": TypeRule(
        Handler.PLAIN, hidden((16, "start"), (24, "stop"), (32, "step"), (40, "length"))
    ),
    "slice": _fields((16, "start"), (24, "stop"), (32, "step")),
    "super": _fields((16, "__thisclass__"), (24, "__self__"), (32, "__self_class__")),
    # Objects/enumobject.c, iterobject.c, listobject.c, tupleobject.c, dictobject.c, bltinmodule.c
    "enumerate": TypeRule(
        Handler.PLAIN,
        owned((24, "iterator"), (32, "result"), (40, "long_index")),
    ),
    "reversed": _ITERATOR,
    "iterator": _ITERATOR,
    "list_iterator": _ITERATOR,
    "list_reverseiterator": _ITERATOR,
    "tuple_iterator": _ITERATOR,
    "str_iterator": _ITERATOR,
    "str_ascii_iterator": _ITERATOR,
    "bytes_iterator": _ITERATOR,
    "bytearray_iterator": _ITERATOR,
    "dict_keys": _fields((16, "mapping")),
    "dict_values": _fields((16, "mapping")),
    "dict_items": _fields((16, "mapping")),
    "zip": _fields((24, "iterators"), (32, "result")),
    "map": _fields((16, "iterators"), (24, "function")),
    "filter": _fields((16, "function"), (24, "iterator")),
    "memoryview": TypeRule(Handler.MEMORYVIEW),
    # Objects/weakrefobject.c; the names changed in 3.12
    "weakref": TypeRule(Handler.WEAKREF),
    "weakproxy": TypeRule(Handler.WEAKREF),
    "weakcallableproxy": TypeRule(Handler.WEAKREF),
    "weakref.ReferenceType": TypeRule(Handler.WEAKREF),
    "weakref.ProxyType": TypeRule(Handler.WEAKREF),
    "weakref.CallableProxyType": TypeRule(Handler.WEAKREF),
    # Modules/_collectionsmodule.c, _functoolsmodule.c, itertoolsmodule.c, arraymodule.c
    "collections.deque": TypeRule(Handler.DEQUE),
    "collections.OrderedDict": TypeRule(Handler.ORDERED_DICT),
    "functools._lru_cache_wrapper": TypeRule(Handler.LRU_CACHE, scan_from=56),
    # Links of the list hold each other without counting
    "functools._lru_list_elem": TypeRule(
        Handler.PLAIN, hidden(("lru.elem.key", "key"), ("lru.elem.result", "result"))
    ),
    "functools.partial": _fields((16, "func"), (24, "args"), (32, "keywords")),
    "itertools._tee_dataobject": TypeRule(Handler.TEE),
    "array.array": TypeRule(Handler.ARRAY),
    # Modules/_pickle.c: its items are a stack that is empty between calls
    "_pickle.Pdata": TypeRule(),
    # Python/context.c: the cached value behind the default is borrowed
    "ContextVar": _fields((16, "name"), (24, "default")),
    "_contextvars.ContextVar": _fields((16, "name"), (24, "default")),
    # Modules/_pickle.c; their words are scanned, but the memory they own is known
    "_pickle.Pickler": TypeRule(Handler.PICKLER, scan_from=16),
    "_pickle.Unpickler": TypeRule(Handler.UNPICKLER, scan_from=16),
    # Modules/_ctypes/_ctypes.c: pointer classes up to 3.12, all classes since 3.13
    "_ctypes.PyCPointerType": TypeRule(Handler.CTYPE),
    "_ctypes.CType_Type": TypeRule(Handler.CTYPE),
    # Modules/_ctypes/stgdict.c, up to 3.12: a dict with fields that nothing visits
    "StgDict": TypeRule(
        Handler.STG_DICT,
        hidden(
            (96, "proto"),
            (128, "argtypes"),
            (136, "converters"),
            (144, "restype"),
            (152, "checker"),
        ),
    ),
    # Modules/_io; their __dict__ is found by tp_dictoffset
    "_io.BytesIO": TypeRule(Handler.PLAIN, _visited_since((3, 12), (16, "buffer"))),
    "_io.BufferedReader": _BUFFERED,
    "_io.BufferedWriter": _BUFFERED,
    "_io.BufferedRandom": _BUFFERED,
    "_io.BufferedRWPair": TypeRule(
        Handler.PLAIN, _visited_since((3, 12), (16, "reader"), (24, "writer"))
    ),
    # Modules/_struct.c
    "Struct": TypeRule(Handler.STRUCT, _visited_since((3, 10), (40, "format"))),
    "_struct.Struct": TypeRule(Handler.STRUCT, _visited_since((3, 10), (40, "format"))),
    # Objects/typevarobject.c
    "typing.TypeVar": TypeRule(
        Handler.PLAIN, _visited_since((3, 13, 13), (16, "__name__")), scan_from=24
    ),
    "typing.ParamSpec": TypeRule(
        Handler.PLAIN, _visited_since((3, 13, 13), (16, "__name__")), scan_from=24
    ),
    "typing.TypeVarTuple": TypeRule(
        Handler.PLAIN, _visited_since((3, 13, 13), (16, "__name__")), scan_from=24
    ),
    "typing.TypeAliasType": TypeRule(
        Handler.PLAIN, _visited_since((3, 13, 13), (16, "__name__")), scan_from=24
    ),
    "_io.StringIO": TypeRule(
        Handler.PLAIN,
        scan_from=16,
        buffers=(Buffer(16, 40, 4, in_getsizeof=False),),
        # A PyUnicodeWriter, in memory of its own since 3.14, collects until somebody reads
        blocks=Blocks(BlockContents.REFERENCES, depth=1, raw_depth=1, since=(3, 14)),
    ),
    # Modules/_ctypes, _threadmodule.c, itertoolsmodule.c, _datetimemodule.c, _elementtree.c
    "_ctypes._CData": _CTYPES_DATA,
    "_thread.lock": _LOCK,
    "_thread.RLock": _LOCK,
    "_queue.SimpleQueue": TypeRule(
        Handler.SIMPLE_QUEUE,
        buffers=(
            Buffer(16, 0, 32, BufferCount.ONE, in_getsizeof=False, before=(3, 13)),
            Buffer(40, 48, 8, in_getsizeof=False, since=(3, 13), before=(3, 15)),
            Buffer(40, 48, 8, since=(3, 15)),
        ),
    ),
    "itertools.product": TypeRule(
        Handler.PLAIN,
        owned((16, "pools"), (32, "result")),
        buffers=(Buffer(24, 16, 8, BufferCount.TUPLE),),
    ),
    "itertools.combinations": _COMBINATIONS,
    "itertools.combinations_with_replacement": _COMBINATIONS,
    "itertools.permutations": TypeRule(
        Handler.PLAIN,
        owned((16, "pool"), (40, "result")),
        buffers=(Buffer(24, 16, 8, BufferCount.TUPLE), Buffer(32, 48, 8)),
    ),
    "datetime.datetime": _DATETIME,
    "datetime.time": _DATETIME,
    "datetime.date": TypeRule(),
    "datetime.timedelta": TypeRule(),
    "xml.etree.ElementTree.Element": TypeRule(Handler.ELEMENT),
    # What a capsule points at is not an object
    "PyCapsule": TypeRule(),
    # Modules/_decimal: digits only
    "decimal.Decimal": TypeRule(),
    # Modules/_threadmodule.c: holds a borrowed pointer to a dict
    "_thread._localdummy": TypeRule(),
    # Python/hamt.c: nodes whose items are references
    "hamt_bitmap_node": TypeRule(Handler.ITEMS, scan_from=16),
    "hamt_array_node": TypeRule(Handler.PLAIN, scan_from=16),
    "hamt_collision_node": TypeRule(Handler.ITEMS, scan_from=16),
    **EXTENSION_RULES,
}
"""Rules by tp_name, as CPython writes it (no Python class is ever matched)."""
