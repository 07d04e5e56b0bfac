"""Calling the compiled graph kernels: signatures, argument checks, statuses as exceptions."""

from __future__ import annotations

import ctypes
import functools
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from heapgraph.native.library import load

U8: TypeAlias = npt.NDArray[np.uint8]
U32: TypeAlias = npt.NDArray[np.uint32]
U64: TypeAlias = npt.NDArray[np.uint64]

_OUT_OF_MEMORY = 1
_BAD_ARGUMENT = {
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
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "hg_kernel_version": (),
    "hg_dominator_tree": (_POINTER, _POINTER, _COUNT, _POINTER, _POINTER, _POINTER),
    "hg_breadth_first": (_POINTER,) * 3 + (_COUNT,) + (_POINTER,) * 4,
    "hg_reachable": (_POINTER, _POINTER, _COUNT, _POINTER, _POINTER),
    "hg_reverse_references": (_POINTER,) * 4,
    "hg_count_in_references": (_COUNT, _COUNT) + (_POINTER,) * 3,
    "hg_count_out_references": (_COUNT, _COUNT) + (_POINTER,) * 3,
    "hg_reference_sources": (_COUNT, _COUNT) + (_POINTER,) * 2,
    "hg_dominator_children": (_COUNT,) + (_POINTER,) * 3,
    "hg_dominator_preorder": (_COUNT,) + (_POINTER,) * 7,
    "hg_tree_depths": (_COUNT, _COUNT) + (_POINTER,) * 3,
    "hg_sum_to_parents": (_COUNT, _COUNT) + (_POINTER,) * 3,
    "hg_sum_topmost": (_COUNT, _COUNT) + (_POINTER,) * 3 + (_COUNT,) + (_POINTER,) * 2,
}


@functools.cache
def graph_library() -> ctypes.CDLL:
    """The compiled kernels with their argument types declared."""
    library = load("graph")
    for name, arguments in _SIGNATURES.items():
        function = getattr(library, name)
        function.argtypes = arguments
        function.restype = ctypes.c_int
    return library


def run(name: str, *arguments: object) -> None:
    """Call a kernel and turn a status other than success into an exception.

    Raises:
        ValueError: the arguments contradict themselves; nothing was read out of bounds.
        MemoryError: the kernel's working memory cannot be allocated.
    """
    status: int = getattr(graph_library(), name)(*arguments)
    if status == _OUT_OF_MEMORY:
        raise MemoryError(f"{name} could not allocate its working memory")
    if status:
        raise ValueError(_BAD_ARGUMENT[status])


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
