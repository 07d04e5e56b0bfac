"""A live program that makes names out of data, dumped with its values taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.capture.dump import dump
from heapgraph.snapshot import open_snapshot
from heapgraph.snapshot.redacting.redaction import HASHED_PREFIX
from helpers.interpreters import each_interpreter
from helpers.running_target import start_target

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.interpreters import Interpreter

WORD = "swordfish"
MADE_OF_DATA = 6
WRITTEN = {"user_name", "limit", "is_full", "known_key", "SESSIONS", "Session", "handle"}


@pytest.mark.parametrize("interpreter", each_interpreter())
def test_names_made_of_data_are_hashed(interpreter: Interpreter, tmp_path: Path) -> None:
    plain, redacted = tmp_path / "plain.heapgraph", tmp_path / "redacted.heapgraph"
    with start_target("names_from_data.py", WORD, python=interpreter.path) as target:
        dump(target.pid, plain)
        dump(target.pid, redacted, redact=True)
    with open_snapshot(plain) as snapshot:
        texts = {text for text in snapshot.strings("objects", "preview").to_pylist() if text}
        assert (
            len({t for t in texts if t.endswith(f"_{WORD}") and t.isidentifier()}) == MADE_OF_DATA
        )
    with open_snapshot(redacted) as snapshot:
        tables = {
            name: str(snapshot.table(name)) for name in ("roots", "types", "names", "threads")
        }
        shown = {text for text in snapshot.strings("objects", "preview").to_pylist() if text}
    assert not [text for text in (*shown, *tables.values()) if WORD in text]
    assert [text for text in shown if text.startswith(HASHED_PREFIX)]
    assert shown >= WRITTEN
