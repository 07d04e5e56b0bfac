"""What is said of settings that are wrong is short, and tells no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from heapgraph.errors import SettingsUnusable
from heapgraph.watch.settings.load import load_settings

if TYPE_CHECKING:
    from pathlib import Path

BASE = '[watch]\ntargets = [{ name = "web", match = "web" }]\n'
ADDRESS = "https://user:hunter2@host/"


def problems_of(folder: Path, text: str) -> list[str]:
    file = folder / "heapgraph.toml"
    file.write_text(BASE + text)
    with pytest.raises(SettingsUnusable) as caught:
        load_settings(file)
    return [*caught.value.problems, *caught.value.parts()]


@pytest.mark.parametrize(
    "text",
    [
        f'[[action]]\nname = "{ADDRESS}"\nkind = "webhook"\nurl_file = "x"\n',
        f'[[action]]\nname = "x"\nkind = "webhook"\nurl_file = "x"\nformat = "{ADDRESS}"\n',
        f'[http]\nlisten = "{ADDRESS}"\n',
        f'[[rule]]\nname = "x"\nmetric = "{ADDRESS}"\nabove = 1\n',
    ],
)
def test_a_password_in_an_address_is_never_said(tmp_path: Path, text: str):
    """Given an address with a password where another text belongs, the message has no password."""
    assert "hunter2" not in "".join(problems_of(tmp_path, text))


def test_of_many_unknown_keys_the_first_are_named_and_the_rest_counted(tmp_path: Path):
    """Given a file of 60,000 keys, a page of problems comes, within seconds."""
    text = "".join(f"k{number} = 1\n" for number in range(60_000))
    problems = problems_of(tmp_path, text)
    assert any("and 59,900 more unknown keys" in one for one in problems)
    assert len(problems) < 120
