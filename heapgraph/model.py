"""Enumerations and reserved values shared by every layer.

Their numbers are written into snapshot files and known to the native code: never renumber, only
add.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

NO_LABEL = 2**32 - 1
"""Label of a reference that has none."""

VIRTUAL_ROOT = 2**32 - 1
"""Immediate dominator of an object that only the roots together dominate; never an object id."""

ALL_ROOTS = "<roots>"
"""What people type for the virtual root, where an object is asked for."""

UNREACHABLE = 2**32 - 2
"""Immediate dominator, or path parent, of an object no root reaches; never an object id."""

C_CODE_OF_GREENLET = "C code of a waiting greenlet"
"""Name of a C_HELD root: the address of the object lies on the saved C stack of a greenlet, and one
count is left that nothing else explains."""

NO_ROW = 2**32 - 1
"""A row number that refers to nothing (a root that belongs to no frame)."""


class EdgeKind(IntEnum):
    """What a reference is in its source, and what its label means."""

    TYPE = 0  # the object's type
    DICT = 1  # an instance or module -> its __dict__
    ATTRIBUTE = 2  # label: object id of the attribute's name
    SLOT = 3  # label: row of names, a __slots__ entry
    FIELD = 4  # label: row of names, a named field of a C struct
    KEY = 5  # label: entry number in the dict or set table
    VALUE = 6  # label: object id of the key
    INDEX = 7  # label: position in a list, tuple, deque, object array
    MEMBER = 8  # an element of a set
    LOCAL = 9  # label: object id of the variable's name
    STACK = 10  # label: position on an evaluation stack
    WEAK = 11  # label: row of names; never keeps its target alive
    UNNAMED = 12  # label: byte offset in the source, or NO_LABEL


ITEM_KINDS = (EdgeKind.INDEX, EdgeKind.VALUE, EdgeKind.MEMBER)
"""References from a container to something in it; a key is no item of its own."""


class EdgeFlags(IntFlag):
    """What the target's own accounting knows of a reference."""

    GC_VISIBLE = 1  # gc.get_referents of the source reports it
    COUNTED = 2  # it is counted in the referent's reference count
    SCANNED = 4  # found by a conservative scan, not by an exact layout


class ObjectFlags(IntFlag):
    """What is known of an object besides its type and sizes."""

    IS_GC = 1  # its type has a GC head
    GC_TRACKED = 2  # it is in a list of the collector
    IMMORTAL = 4  # its reference count is never changed
    IS_TYPE = 8  # it is a class
    STATIC = 16  # it lies in the program's own data, not in allocated memory
    INTERNED = 32  # an interned string
    GARBAGE = 64  # no root reaches it: a cycle waiting for the collector


class RootKind(IntEnum):
    """Why an object is alive by itself."""

    MODULE = 0  # sys.modules; name: the module's name
    BUILTINS = 1
    THREAD = 2  # a thread state's own fields; name: the field
    FRAME = 3  # a local variable of a running frame; name: the variable
    INTERPRETER = 4  # a field of the interpreter or runtime state; name: the field
    STATIC_TYPE = 5  # a type that lies in the program's data
    INTERNED = 6
    C_HELD = 7  # more references are counted than found; count: how many
    IMMORTAL = 8
    LIBRARY = 9  # a variable of the executable or a library; name: the file, and where in it


class RegionKind(IntEnum):
    """What a region of private anonymous memory is used for."""

    ARENA = 0  # of pymalloc, the allocator of small blocks
    HEAP = 1  # of glibc's malloc
    CHUNK = 2  # a large block for which glibc's malloc made a mapping of its own
    STACK = 3
    DATA = 4  # zero-initialised data of the program or a library
    OWNED = 5  # a mapping that an object points to
    FRAMES = 6  # where the interpreter keeps the frames of a thread
    SLABS = 7  # of another allocator than glibc's malloc, whose blocks are known


class NativeKind(IntEnum):
    """Who leads to memory of C code."""

    OBJECT = 0  # one object
    SHARED = 1  # several; it is their nearest common dominator's
    LIBRARY = 2  # only variables of libraries, or of the interpreter; name: which
    STACK = 3  # only words of a stack, or of memory that nothing is known of; name: whose
    LOST = 4  # nothing; name: of which size
    MAPPED = 5  # one object, which has mapped it itself
    ALLOCATOR = 6  # another allocator than malloc has it, for whom is not known; name: whose it is
    UNOWNED = 7  # blocks of such a one that no object leads to, or in its caches; name: whose


class NativeGrade(IntEnum):
    """How sure it is that memory of C code belongs to somebody."""

    DIRECT = 1  # a word of the object itself points at it
    CHAIN = 2  # over other memory of C code
    DOUBTFUL = 3  # only over words that may have been left there by others


MAPPING_TYPE = "mmap.mmap"
"""The type whose size says nothing of the memory it stands for."""

SHARED_MEMORY = ("/dev/zero", "/dev/shm/", "/memfd:", "/SYSV")  # noqa: S108 - names in a listing
"""How the paths of shared mappings begin that are no files of a disk: they can only be swapped."""


class CodeOrigin(IntEnum):
    """Who wrote a piece of code."""

    UNKNOWN = 0  # nothing tells: a module without a file, a path that was cut
    APPLICATION = 1
    SITE_PACKAGES = 2  # installed below site-packages or dist-packages
    STANDARD_LIBRARY = 3  # with the modules that are built in or frozen


EDGE_KIND_NAMES = {kind: kind.name.lower() for kind in EdgeKind}
ROOT_KIND_NAMES = {kind: kind.name.lower().replace("_", "-") for kind in RootKind}
NATIVE_KIND_NAMES = {kind: kind.name.lower() for kind in NativeKind}
NATIVE_GRADE_NAMES = {grade: grade.name.lower() for grade in NativeGrade}
REGION_KIND_NAMES = {kind: kind.name.lower() for kind in RegionKind}
ORIGIN_NAMES = {origin: origin.name.lower().replace("_", "-") for origin in CodeOrigin}

# What a sound snapshot keeps: a capture grades itself by these, and `verify` checks them again.

MAX_INVALID_SHARE = 0.001
"""Named references that lead nowhere, of all: above, the walk met a heap in motion or a wrong
table. Sound walks of 3.8 to 3.15 stay below 0.0003."""

MAX_NEGATIVE_SHARE = 0.01
"""Mortal objects with fewer counted references than found, of all: above, references were
invented. Sound walks stay below 0.004."""

MAX_HELD_TYPES = 0.25
"""Share of all types in use whose objects C code alone is said to hold. A library keeps objects of
a few types (callbacks, classes, greenlets); a table that is wrong, or a heap in motion, loses
references to objects of nearly every type."""
