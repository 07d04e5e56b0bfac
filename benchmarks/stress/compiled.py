"""What is compiled at run time: a target's register check, and the stepper of the helper."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).with_name("native")


class NoCompiler(Exception):
    """It cannot be compiled here; the text says why."""


def compile_program(name: str, folder: Path) -> Path:
    """Compile `native/NAME.c` into a folder: a program, or with `lib` before its name a library.

    Raises:
        NoCompiler: there is no compiler, or the processor is not the one it is written for.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise NoCompiler("no C compiler (cc)")
    if platform.machine() != "x86_64":
        raise NoCompiler(f"written for x86_64, this is {platform.machine()}")
    is_library = name.startswith("lib")
    output = folder / (f"{name}.so" if is_library else name)
    flags = ["-O2", "-Wall", "-Wextra", "-Werror", *(["-shared", "-fPIC"] if is_library else [])]
    source = SOURCES / f"{name.removeprefix('lib')}.c"
    command = [compiler, *flags, "-o", str(output), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return output
