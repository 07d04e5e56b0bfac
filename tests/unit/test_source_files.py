"""Whose code a file is, and what belongs to which package."""

from __future__ import annotations

import pytest

from heapgraph.model import CodeOrigin
from heapgraph.source_files import (
    CUT,
    MAX_CHARACTERS,
    distribution_of,
    is_cut,
    kept,
    origin_of_file,
    path_in_library,
)

PACKAGES = "/srv/venv/lib/python3.13/site-packages"


@pytest.mark.parametrize(
    ("path", "below", "distribution"),
    [
        (f"{PACKAGES}/flask/app.py", "flask/app.py", "flask"),
        (f"{PACKAGES}/six.py", "six.py", "six"),
        (f"{PACKAGES}/_cffi_backend.cpython-313-x86_64-linux-gnu.so", None, "_cffi_backend"),
        (f"{PACKAGES}/psutil/_psutil_linux.abi3.so", "psutil/_psutil_linux.abi3.so", "psutil"),
        (f"{PACKAGES}/a/_vendor/site-packages/b/c.py", "b/c.py", "b"),
        ("/usr/lib/python3/dist-packages/yaml/loader.py", "yaml/loader.py", "yaml"),
        ("/usr/lib/python3.11/json/decoder.py", "json/decoder.py", ""),
        ("/opt/python313/lib/python3.13t/queue.py", "queue.py", ""),
        ("/srv/shop/app.py", "", ""),
        ("app.py", "", ""),
        ("", "", ""),
    ],
)
def test_an_installed_file_belongs_to_what_is_below_the_folder(path, below, distribution):
    assert distribution_of(path) == distribution
    assert path_in_library(path) == (path.rpartition("/")[2] if below is None else below)


def test_what_is_no_path_tells_nothing():
    """Given no file, or one that is longer than any path, then the origin is unknown."""
    longest = "/" + "x" * (MAX_CHARACTERS - 1)
    assert origin_of_file("") is CodeOrigin.UNKNOWN
    assert origin_of_file(longest) is CodeOrigin.APPLICATION
    assert origin_of_file(kept(f"{PACKAGES}/{longest}")) is CodeOrigin.UNKNOWN


def test_a_text_is_kept_whole_up_to_a_limit_and_then_marked():
    longest = "x" * MAX_CHARACTERS
    assert kept(longest) == longest
    assert not is_cut(longest)
    assert kept(longest + "y") == longest + CUT
    assert is_cut(longest + CUT)
