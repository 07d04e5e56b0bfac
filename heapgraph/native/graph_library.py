"""Calling the compiled graph kernels: signatures, argument checks, statuses as exceptions."""

from __future__ import annotations

import ctypes
import functools
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.native.library import Interface, load_interface

U8: TypeAlias = npt.NDArray[np.uint8]
U32: TypeAlias = npt.NDArray[np.uint32]
U64: TypeAlias = npt.NDArray[np.uint64]
I64: TypeAlias = npt.NDArray[np.int64]

OUT_OF_MEMORY = 1
"""Of `hg_status`, whose others say what is wrong with the arguments."""

BAD_ARGUMENT = {
    2: "offsets must rise from 0 to the number of references",
    3: "a reference's target is not an object",
    4: "a root is not an object",
    5: "more objects than 32-bit ids can name",
    6: "an immediate dominator is not an object",
    7: "a group number is not below the number of groups",
}


class GraphArguments(ctypes.Structure):
    """`hg_graph` of native/graph/graph_kernels.h."""

    _fields_ = (
        ("object_count", ctypes.c_uint64),
        ("reference_count", ctypes.c_uint64),
        ("offsets", ctypes.c_void_p),
        ("targets", ctypes.c_void_p),
        ("skip", ctypes.c_void_p),
    )


_POINTER = ctypes.c_void_p
_COUNT = ctypes.c_uint64
_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "hg_kernel_version": (),
    "hg_dominator_tree": (_POINTER, _POINTER, _COUNT, _POINTER, _POINTER, _POINTER),
    "hg_breadth_first": (_POINTER,) * 3 + (_COUNT,) + (_POINTER,) * 4,
    "hg_reachable": (_POINTER, _POINTER, _COUNT, _POINTER, _POINTER),
    "hg_reverse_references": (_POINTER,) * 4,
    "hg_count_in_references": (_COUNT, _COUNT) + (_POINTER,) * 3,
    "hg_count_out_references": (_COUNT, _COUNT) + (_POINTER,) * 3,
    "hg_number_keys": (_COUNT,) + (_POINTER,) * 4,
    "hg_reference_sources": (_COUNT, _COUNT) + (_POINTER,) * 2,
    "hg_dominator_children": (_COUNT,) + (_POINTER,) * 3,
    "hg_dominator_preorder": (_COUNT,) + (_POINTER,) * 7,
    "hg_tree_depths": (_COUNT, _COUNT) + (_POINTER,) * 3,
    "hg_sum_to_parents": (_COUNT, _COUNT) + (_POINTER,) * 3,
    "hg_sum_topmost": (_COUNT, _COUNT) + (_POINTER,) * 3 + (_COUNT,) + (_POINTER,) * 2,
}

GRAPH_INTERFACE = Interface(
    library="graph",
    header="native/graph/graph_kernels.h",
    version_function="hg_kernel_version",
    version=2,
    functions={name: (ctypes.c_int, arguments) for name, arguments in _ARGUMENTS.items()},
    structs={"hg_graph": GraphArguments},
)


@functools.cache
def graph_library() -> ctypes.CDLL:
    """The compiled kernels with their argument types declared; loaded once."""
    return load_interface(GRAPH_INTERFACE)


def run(name: str, *arguments: object) -> None:
    """Call a kernel and turn a status other than success into an exception.

    Raises:
        ValueError: the arguments contradict themselves; nothing was read out of bounds.
        MemoryError: the kernel's working memory cannot be allocated.
    """
    status: int = getattr(graph_library(), name)(*arguments)
    if status == OUT_OF_MEMORY:
        raise MemoryError(f"{name} could not allocate its working memory")
    if status:
        raise ValueError(BAD_ARGUMENT[status])


def checked(
    name: str, array: npt.NDArray[Any], dtype: type[np.generic], length: int | None = None
) -> int:
    """The address of an array's first element, after all that could be wrong with it."""
    if not isinstance(array, np.ndarray) or array.dtype != np.dtype(dtype) or array.ndim != 1:
        described = getattr(array, "dtype", type(array).__name__)
        raise ValueError(f"{name} must be a flat {np.dtype(dtype)} array, not {described}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{name} must be contiguous in memory")
    if length is not None and len(array) != length:
        raise ValueError(f"{name} must have {length} entries, not {len(array)}")
    return array.ctypes.data


def graph_arguments(offsets: U64, targets: U32, skip: U8 | None) -> GraphArguments:
    """The struct that every search takes, its arrays checked; they must outlive the call."""
    start = checked("offsets", offsets, np.uint64)
    if not len(offsets):
        raise ValueError("offsets must have one entry more than there are objects")
    return GraphArguments(
        len(offsets) - 1,
        len(targets),
        start,
        checked("targets", targets, np.uint32),
        None if skip is None else checked("skip", skip, np.uint8, len(targets)),
    )
