"""The leftover check of scripts/ finds what it says it finds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = [
    line.split("\t")
    for line in (ROOT / "fixtures/leftovers/samples.txt").read_text().splitlines()
    if not line.startswith("#")
]
FORBIDDEN = [sample[1:] for sample in SAMPLES if sample[0] == "found"]
ALLOWED = [sample[1:] for sample in SAMPLES if sample[0] == "allowed"]


@pytest.fixture(scope="module")
def leftovers():
    """The script as a module; it is no part of the package."""
    path = ROOT / "scripts" / "check_leftovers.py"
    spec = importlib.util.spec_from_file_location("check_leftovers", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, spec.name, module)  # a dataclass looks its own module up
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def rules(leftovers):
    """The rules the repository is held to."""
    return leftovers.read_rules(ROOT / leftovers.RULES_FILE)


@pytest.mark.parametrize(("name", "line", "reason"), FORBIDDEN)
def test_a_leftover_is_found_with_its_line_and_reason(leftovers, rules, name, line, reason):
    findings = leftovers.find_leftovers({name: f"first line\n{line}\n"}, rules)
    assert findings == [f"{name}:2: {reason}"]


@pytest.mark.parametrize(("name", "line"), ALLOWED)
def test_what_is_allowed_is_not_found(leftovers, rules, name, line):
    assert leftovers.find_leftovers({name: line}, rules) == []


def test_a_long_python_file_is_found(leftovers):
    at_limit, too_long = (
        "x = 1\n" * leftovers.MAX_LINES,
        "x = 1\n" * (leftovers.MAX_LINES + 1),
    )
    texts = {
        "heapgraph/a.py": at_limit,
        "heapgraph/b.py": too_long,
        "docs/c.md": too_long,
    }
    assert leftovers.find_leftovers(texts, []) == [
        f"heapgraph/b.py:{leftovers.MAX_LINES + 1}: longer than {leftovers.MAX_LINES} lines"
    ]
    assert leftovers.longest_python_files(texts, 1) == [(leftovers.MAX_LINES + 1, "heapgraph/b.py")]


def test_files_that_git_ignores_are_not_looked_at(leftovers, tmp_path):
    (tmp_path / ".gitignore").write_text("*.pyc\n/built/\n# a remark\nheapgraph/lib/\n")
    for name in (".git/a", "a.py", "a.pyc", "built/b.py", "heapgraph/lib/c.so", "heapgraph/d.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x = 1\n")
    assert leftovers.project_files(tmp_path) == [".gitignore", "a.py", "heapgraph/d.py"]


def test_a_folder_with_too_many_files_is_found(leftovers):
    at_limit = [f"heapgraph/a/{number}.py" for number in range(leftovers.MAX_FILES)]
    too_many = [f"native/b/{number}.c" for number in range(leftovers.MAX_FILES + 1)]
    elsewhere = [f"tests/{number}.py" for number in range(leftovers.MAX_FILES + 1)]
    below = [f"native/c/{number}/x.c" for number in range(leftovers.MAX_FILES + 1)]
    assert leftovers.find_crowded_folders([*at_limit, *too_many, *elsewhere, *below]) == [
        "native/b:21: more than 20 files in one folder"
    ]


def test_a_reader_that_is_not_in_one_file_is_found(leftovers):
    folder = leftovers.READERS.rpartition("/")[0]
    texts = {
        leftovers.READERS: "#define HEAPGRAPH_READERS(X) X(list) X(dict) X(set) X(code)\nnamespace",
        f"{folder}/builtins/sequences.cpp": "extern const TypeReader list_reader{};\n",
        f"{folder}/builtins/dicts.cpp": "extern const TypeReader dict_reader{};\n",
        f"{folder}/sizes.cpp": "extern const TypeReader dict_reader{};\n",
        f"{folder}/references.cpp": "extern const TypeReader set_reader{};\n",
        f"{folder}/stdlib/queues.cpp": "extern const TypeReader queue_reader{};\n",
    }
    found = [line.split(" ")[2] for line in leftovers.find_scattered_readers(texts)]
    assert found == ["dict", "set", "code", "queue"]
