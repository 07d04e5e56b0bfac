"""Whose code a file is, as its path tells: the one place that decides it.

A dump decides once, with the whole path at hand, and writes the answer down (`codes`, `modules`,
`frames`); so an analysis needs no path, and a redacted snapshot has none.
"""

from __future__ import annotations

import re

from heapgraph.model import CodeOrigin

MAX_CHARACTERS = 4096
"""Of a file or a name that are kept: PATH_MAX. A longer text is no path."""

CUT = "\N{HORIZONTAL ELLIPSIS}"
"""Behind a text of which only the first `MAX_CHARACTERS` were kept."""

_PACKAGE_FOLDER = re.compile(r".*/(?:site|dist)-packages/", re.DOTALL)
_STANDARD_FOLDER = re.compile(
    r".*?(?:/lib(?:64)?/python\d+(?:\.\d+t?|\.zip)/|/[Pp]ython-?3\.\d+[^/]*/Lib/)", re.DOTALL
)
"""Installed by a distribution or by `make install`, in a zip file, or a source tree."""

_FROZEN = "<frozen "
_MODULE_ENDS = re.compile(r"\.(?:py|pyc|pyw|so|pyd)$|\.(?:cpython-|abi3\.).*$", re.DOTALL)


def origin_of_file(path: str) -> CodeOrigin:
    """Tell from the path of a source file whose code it is.

    Args:
        path: as code objects and modules say it; "" or one that was cut tells nothing.
    """
    if not path or is_cut(path):
        return CodeOrigin.UNKNOWN
    if _PACKAGE_FOLDER.match(path):
        return CodeOrigin.SITE_PACKAGES
    if path.startswith(_FROZEN) or _STANDARD_FOLDER.match(path):
        return CodeOrigin.STANDARD_LIBRARY
    return CodeOrigin.APPLICATION


def kept(text: str) -> str:
    """A file or a name as it is kept, of which one character more was read than may be."""
    return text[:MAX_CHARACTERS] + CUT if is_cut(text) else text


def is_cut(text: str) -> bool:
    """Whether only the beginning of a text was kept."""
    return len(text) > MAX_CHARACTERS


def distribution_of(path: str) -> str:
    """What an installed file belongs to: the folder, or the module, right below site-packages.

    That is the name of the import package, which mostly is the distribution's (flask) and not
    always (yaml of PyYAML): the records of the installer are not read. "" where it is no such file.
    """
    if origin_of_file(path) is not CodeOrigin.SITE_PACKAGES:
        return ""
    return _MODULE_ENDS.sub("", path_in_library(path).partition("/")[0])


def path_in_library(path: str) -> str:
    """The part of a path below site-packages or the standard library's folder; "" for no such."""
    folder = _PACKAGE_FOLDER.match(path) or _STANDARD_FOLDER.match(path)
    return path[folder.end() :] if folder else ""
