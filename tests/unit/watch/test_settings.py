"""A settings file: what is read, every refusal with its place, and all of them at once."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from heapgraph.errors import HeapgraphError, SettingsUnusable
from heapgraph.watch.settings.load import MOST_BYTES, load_settings
from heapgraph.watch.settings.model import Growth, Rise, Slope, TargetSpec, WatchSettings
from helpers.cli import run_process

EXAMPLE = Path(__file__).resolve().parents[3] / "fixtures" / "watch" / "heapgraph.toml"
TARGET = '[watch]\ntargets = [{ name = "web", match = "gunicorn" }]\n'
RULE = '[[rule]]\nname = "r"\n'
METRIC = f'{RULE}metric = "rss_bytes"\n'
ACTION = '[[action]]\nname = "page"\n'
HOOK = f'{ACTION}kind = "webhook"\nurl_file = "/x"\n'
HTTP = "[http]\n"


def load(tmp_path, text, **arguments):
    file = tmp_path / "heapgraph.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_settings(file, **arguments)


def problems_of(tmp_path, text):
    with pytest.raises(SettingsUnusable) as caught:
        load(tmp_path, text)
    assert len(caught.value.parts()) == 3
    return list(caught.value.problems)


def test_the_example_is_read_into_base_units():
    settings = load_settings(EXAMPLE)
    rules = {rule.name: rule for rule in settings.rules}
    assert [target.name for target in settings.targets] == ["web", "jobs"]
    assert (settings.interval_s, settings.census_s, settings.warm_up_s) == (5, 900, 120)
    assert settings.budget.max_pause_ms == 50
    assert settings.store.bytes == 10 * 2**30
    assert rules["near-limit"].above == 0.8
    assert (rules["near-limit"].at_most, rules["near-limit"].at_most_window_s) == (3, 86400)
    assert rules["full-soon"].below == 1800
    assert rules["sudden"].rise == Rise(300, share=2.0)
    assert rules["creeping"].slope == Slope(50 * 2**20, 3600, 1800)
    assert rules["kept"].grows == Growth(3, bytes=10 * 2**20)
    assert rules["kept"].do == ("snapshot", "report", "page")
    assert rules["crash-loop"].within_s == 600
    assert settings.actions[0].url_file == Path("/run/secrets/hook")
    assert settings.actions[1].argv == ("/usr/bin/logger", "-t", "heapgraph")
    assert settings.http.listen == "unix:/run/heapgraph.sock"
    assert settings.audit.keep_s == 180 * 86400


def test_defaults_are_those_of_the_records(tmp_path):
    settings = load(tmp_path, TARGET)
    assert settings == WatchSettings((TargetSpec("web", match="gunicorn"),))


def test_paths_are_meant_from_the_folder_of_the_file(tmp_path):
    settings = load(tmp_path, f'{TARGET}[store]\npath = "../snapshots"\n')
    assert settings.store.path == tmp_path.parent / "snapshots"


def test_targets_of_the_command_line_count(tmp_path):
    extra = TargetSpec("pid-17", pid=17)
    settings = load(tmp_path, f'{METRIC}above = 1\ntargets = ["pid-17"]\n', targets=[extra])
    assert settings.targets == (extra,)


REFUSED = [
    ("", "[watch]: targets is missing"),
    ("[wacht]\n", 'settings: unknown key "wacht"; did you mean "watch"?'),
    ("watch = 3", "settings: watch = 3: a table is expected"),
    (TARGET + "intervall = 3", '[watch]: unknown key "intervall"; did you mean "interval"?'),
    (TARGET + "interval = 3", "[watch]: interval = 3: a time is written like"),
    (TARGET + 'interval = "1ms"', '[watch]: interval = "1ms": from 500 ms to 1 h is expected'),
    (TARGET + "warm_up = 2020-01-01", "[watch]: warm_up = (a date or time): a time is written"),
    (TARGET + 'interval = "60s"\ncensus = "20s"', "[watch]: census is shorter than interval"),
    (TARGET + "budget = { cpu = 2 }", "[watch] budget: cpu = 2: from 0.01 % to 100 % is expected"),
    (TARGET + "budget = { at_once = true }", "[watch] budget: at_once = true: a whole number"),
    (TARGET + "budget = { at_once = 17 }", "at_once = 17: a number from 1 to 16 is expected"),
    ("[watch]\ntargets = 3", "[watch]: targets: a list of tables is expected"),
    ("[watch]\ntargets = [{}]", "[watch] target number 1: name is missing"),
    ('[watch]\ntargets = [{ name = "w" }]', 'target "w": pid, match, unit or cgroup is missing'),
    (
        '[watch]\ntargets = [{ name = "w", pid = 3, match = "x" }]',
        '[watch] target "w": pid and match: exactly one of them',
    ),
    ('[watch]\ntargets = [{ name = "a/b", pid = 3 }]', '"a/b": name = "a/b": a name has up to 64'),
    ('[watch]\ntargets = [{ name = "w", pid = 0 }]', "pid = 0: a number from 1 to"),
    ('[watch]\ntargets = [{ name = "w", unit = "a/b" }]', "a unit is named like"),
    ('[watch]\ntargets = [{ name = "w", cgroup = "/a/../b" }]', 'without ".."'),
    ('[watch]\ntargets = [{ name = "w", match = "" }]', "printable characters are expected"),
    (
        '[watch]\ntargets = [{ name = "w", pid = 3 }, { name = "w", pid = 4 }]',
        '[watch] target "w": two have this name',
    ),
    (TARGET + "[store]\nredact = 1", "[store]: redact = 1: true or false is expected"),
    (TARGET + "[store]\nlimits = { bytes = 5 }", "[store] limits: bytes = 5: from 1.00 MiB to"),
    (TARGET + "[store]\nlimits = { filse = 5 }", 'unknown key "filse"; did you mean "files"?'),
    (TARGET + '[store]\npath = ""', "a path in quotes is expected"),
    (TARGET + RULE, '[[rule]] "r": metric, event, holder or type is missing'),
    (TARGET + "[[rule]]\nmetric = 'rss_bytes'\nabove = 1", "[[rule]] number 1: name is missing"),
    (TARGET + METRIC, '[[rule]] "r": above or below or rise or slope is missing: what is too much'),
    (TARGET + METRIC + "above = 1\nbelow = 1", '"r": above and below: exactly one of them'),
    (TARGET + METRIC + "above = 1\ntype = 'x'", '"r": metric and type: exactly one of them'),
    (TARGET + METRIC + "grows = {}", '[[rule]] "r": grows makes no sense with metric'),
    (TARGET + METRIC + 'above = "80%"', 'above = "80%": a size is written like'),
    (TARGET + METRIC + 'rise = "5m"', 'rise = "5m": a rise is written like'),
    (TARGET + METRIC + 'rise = "0%/5m"', "more than 0 is expected"),
    (TARGET + METRIC + 'rise = "50%/10s"', "a window from 20 s (4 looks) to 1 d is expected"),
    (TARGET + METRIC + 'slope = "1MiB/h"', "a slope is written like"),
    (TARGET + METRIC + "above = 1\nat_most = 3", "at_most = 3: a limit is written like"),
    (TARGET + METRIC + 'above = 1\nat_most = "0/24h"', "1 to 1000 times in 1 s to 30 d"),
    (TARGET + METRIC + "above = 1\ntimes = 0", "times = 0: a number from 1 to 1000 is expected"),
    (TARGET + METRIC + 'above = 1\ncool_down = "0s"', "from 1 s to 30 d is expected"),
    (TARGET + METRIC + 'above = 1\nwithin = "5m"', "within makes sense with event only"),
    (TARGET + METRIC + 'above = 1\ncooldown = "5m"', 'did you mean "cool_down"?'),
    (TARGET + METRIC + 'above = 1\ndo = ["pge"]', 'do: "pge": there is no such action; there are'),
    (TARGET + HOOK + METRIC + 'above = 1\ndo = ["pge"]', 'no such action; did you mean "page"?'),
    (TARGET + METRIC + 'above = 1\ndo = ["census", "census"]', 'do: "census" stands there twice'),
    (TARGET + METRIC + 'above = 1\ntargets = ["wep"]', 'no such target; did you mean "web"?'),
    (TARGET + METRIC + "above = nan", "a size is written like"),
    (TARGET + RULE + 'metric = "rss"\nabove = 1', 'no such metric; did you mean "rss_bytes"?'),
    (TARGET + RULE + 'event = "oom_kill"', 'no such event; did you mean "cgroup.oom_kill"?'),
    (TARGET + RULE + 'event = "exit"\nabove = 3', "above makes no sense with event"),
    (TARGET + RULE + 'event = "exit"\ndo = ["snapshot"]', "the process is gone"),
    (
        TARGET + RULE + 'holder = "app.*"',
        'grows or bytes_above is missing: what is too much of "app',
    ),
    (TARGET + RULE + "holder = 'a'\ncount_above = 3", "count_above makes no sense with holder"),
    (TARGET + RULE + "type = 'a'\ngrows = { bytes = -1 }", "grows: bytes = -1: a size is written"),
    (TARGET + RULE + "type = 'a'\ngrows = {}\ntimes = 3", "times makes no sense with grows"),
    (TARGET + RULE + "metric = 'gc_enabled'\nrise = '1/5m'", "rise makes no sense with gc_enabled"),
    (TARGET + 2 * (METRIC + "above = 1\n"), '[[rule]] "r": two have this name'),
    (TARGET + ACTION, '[[action]] "page": kind is missing'),
    (TARGET + ACTION + 'kind = "mail"', "one of webhook, command is expected"),
    (TARGET + ACTION + 'kind = "webhook"', "url_file is missing"),
    (TARGET + ACTION + 'kind = "command"', "argv is missing"),
    (TARGET + ACTION + 'kind = "command"\nargv = "rm -rf /"', "no text"),
    (TARGET + ACTION + 'kind = "command"\nargv = ["logger"]', "named by its whole path"),
    (TARGET + HOOK + 'argv = ["/x"]', "argv makes no sense with a webhook"),
    (TARGET + HOOK + 'format = "slack"', "one of heapgraph, alertmanager is expected"),
    (TARGET + HOOK + 'timeout = "1h"', "from 100 ms to 10 min is expected"),
    (TARGET + HOOK.replace('"page"', '"report"'), "one of heapgraph's own actions"),
    (TARGET + 2 * HOOK, '[[action]] "page": two have this name'),
    (TARGET + HTTP + 'listen = "localhost:9000"', "an address and not a name is expected"),
    (TARGET + HTTP + 'listen = "9000"', "an address is written like"),
    (TARGET + HTTP + 'listen = "127.0.0.1:99999"', "an address is written like"),
    (TARGET + HTTP + 'listen = "::1:9000"', "an address is written like"),
    (TARGET + HTTP + 'listen = "unix:x.sock"', "a socket is named by its whole path"),
    (TARGET + HTTP + f'listen = "unix:/{"x" * 120}"', "at most 107 bytes"),
    (TARGET + HTTP + 'listen = "127.0.0.1:9000"', "every user of this machine reaches it"),
    (TARGET + HTTP + 'listen = "[::1]:9000"', "every user of this machine reaches it"),
    (TARGET + HTTP + 'listen = "0.0.0.0:9000"\ntokens_file = "/t"', "needs tls with client_ca"),
    (
        TARGET + HTTP + 'listen = "[::]:9000"\ntls = { certificate = "/c", key = "/k" }',
        "needs tls with client_ca, or tls and jwt",
    ),
    (
        TARGET
        + HTTP
        + 'listen = "10.0.0.1:9000"\n'
        + 'jwt = { key_file = "/k", algorithm = "ES256", audience = "a", issuer = "i" }',
        "needs tls with client_ca, or tls and jwt",
    ),
    (TARGET + HTTP + 'tls = { certificate = "/c" }', "[http.tls]: key is missing"),
    (TARGET + HTTP + "jwt = {}", "[http.jwt]: issuer is missing"),
    (TARGET + HTTP + 'jwt = { algorithm = "none" }', "[http.jwt]: algorithm"),
    (TARGET + HTTP + 'listen = "unix:/s"\ntls = { certificate = "/c", key = "/k" }', "no sense"),
    (TARGET + HTTP + 'listen = "127.0.0.1:1"\nusers = [3]', "on a Unix socket only"),
    (TARGET + HTTP + 'tokens_file = "/t"', "[http]: listen is missing"),
    (TARGET + HTTP + 'expose = ["everything"]', '"everything": one of status, metrics'),
    (TARGET + HTTP + 'hosts = ["a b"]', "a name of a host is expected"),
    (TARGET + "[audit]\nrequired = true", "[audit]: path is missing"),
    (TARGET + '[audit]\npath = "/a"\nkeep = "1h"', "from 1 d to"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED, ids=range(len(REFUSED)))
def test_what_makes_no_sense_is_refused_with_its_place(tmp_path, text, expected):
    found = problems_of(tmp_path, text)
    assert [problem for problem in found if expected in problem], found


ALLOWED = [
    'listen = "127.0.0.1:9000"\ntokens_file = "/t"',
    'listen = "127.0.0.1:0"\ntls = { certificate = "/c", key = "/k", client_ca = "/a" }',
    'listen = "0.0.0.0:9000"\ntls = { certificate = "/c", key = "/k", client_ca = "/a" }',
    'listen = "unix:/run/h.sock"\nusers = [1000]',
    (
        'listen = "[::]:9000"\ntls = { certificate = "/c", key = "/k" }\n'
        'jwt = { key_file = "/k", algorithm = "ES256", audience = "a", issuer = "i" }'
    ),
]


@pytest.mark.parametrize("text", ALLOWED)
def test_endpoints_that_know_their_peers(tmp_path, text):
    assert load(tmp_path, TARGET + HTTP + text).http.listen


SECRET = "hunter2-5d41402abc4b2a76"
INLINE = [
    HOOK + f'secret = "{SECRET}"',
    HOOK + f'token = "{SECRET}"',
    f'{ACTION}kind = "webhook"\nurl = "https://{SECRET}"',
    f'{ACTION}kind = "webhook"\nurl_file = "https://{SECRET}"',
    HOOK + f'secret_file = """-----BEGIN KEY\n{SECRET}"""',
    HTTP + f'tokens = ["{SECRET}"]',
    HTTP + f'password = "{SECRET}"',
    HTTP + f'jwt = {{ secret = "{SECRET}" }}',
    HTTP + f'tls = {{ certificate = "/c", key = "-----BEGIN {SECRET}" }}',
    f'{ACTION}kind = "command"\nargv = ["curl", "{SECRET}"]',
]


@pytest.mark.parametrize("text", INLINE)
def test_a_secret_in_the_settings_is_refused_and_not_repeated(tmp_path, text):
    with pytest.raises(SettingsUnusable) as caught:
        load(tmp_path, TARGET + text)
    assert SECRET not in "".join((*caught.value.parts(), *caught.value.problems))


def test_all_problems_are_told_at_once_in_order(tmp_path):
    text = TARGET + "x = 1\ny = 2\n" + METRIC + "above = true\n" + HTTP + "z = 3"
    found = problems_of(tmp_path, text)
    assert [problem.partition(":")[0] for problem in found] == [
        "[watch]",
        "[watch]",
        '[[rule]] "r"',
        "[http]",
    ]


def test_a_long_list_of_problems_is_cut_in_the_text_alone(tmp_path):
    found = problems_of(tmp_path, TARGET + "".join(f"x{n} = 1\n" for n in range(30)))
    assert len(found) == 30
    with pytest.raises(SettingsUnusable, match="30 problems") as caught:
        load_settings(tmp_path / "heapgraph.toml")
    assert caught.value.cause.endswith("; and 10 more")


def test_windows_are_bounded(tmp_path):
    rules = "".join(
        f'[[rule]]\nname = "r{n}"\nmetric = "rss_bytes"\nrise = "50%/{n + 1}m"\n' for n in range(9)
    )
    assert "9 different windows" in problems_of(tmp_path, TARGET + rules)[0]


def test_too_many_rules(tmp_path):
    rules = "".join(f"{METRIC}above = {n}\n".replace('"r"', f'"r{n}"') for n in range(101))
    assert "rule: 101 of them; 100 are the most" in problems_of(tmp_path, TARGET + rules)[0]


def test_names_in_messages_steer_no_terminal(tmp_path):
    found = problems_of(tmp_path, TARGET + '[[rule]]\nname = "\\u001b[2J"\n"\\u202e" = 1')
    assert all(problem.isprintable() for problem in found)
    assert r"\x1b[2J" in found[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[watch", "at end of document"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
        (b"a = " + b"[" * 5000, "nested too deeply"),
        (b"a = " + b"9" * 5000, "4300 digits"),
        (b"a = 2020-13-45", ""),
        (b"a = 1\x00", ""),
    ],
)
def test_what_is_no_toml(tmp_path, content, reason):
    with pytest.raises(SettingsUnusable, match="are not TOML") as caught:
        load(tmp_path, content)
    assert reason in caught.value.cause
    assert len(caught.value.parts()) == 3


def test_files_that_are_none(tmp_path):
    for path in (tmp_path / "missing", "nul\0byte"):
        with pytest.raises(SettingsUnusable, match="cannot be read"):
            load_settings(path)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/null"):
        with pytest.raises(SettingsUnusable, match="no regular file"):
            load_settings(path)


def test_a_file_without_end_is_not_read(tmp_path):
    with pytest.raises(SettingsUnusable, match=r"more than 1\.00 MiB"):
        load(tmp_path, b"#" * (MOST_BYTES + 1))


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_root_reads_nothing_that_others_may_write(tmp_path, mode, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    file = tmp_path / "heapgraph.toml"
    file.write_text(TARGET)
    file.chmod(mode)
    with pytest.raises(SettingsUnusable, match="not root's alone"):
        load_settings(file)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert load_settings(file).targets


def test_root_reads_nothing_of_another_owner(tmp_path, monkeypatch):
    file = tmp_path / "heapgraph.toml"
    file.write_text(TARGET)
    true_status = os.fstat
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def foreign(descriptor):
        status = list(true_status(descriptor))
        status[4] = 1000
        return os.stat_result(status)

    monkeypatch.setattr(os, "fstat", foreign)
    with pytest.raises(SettingsUnusable, match="owner 1000"):
        load_settings(file)


def damaged(chance, content):
    """The file with a few bytes lost, doubled, changed, or lines mixed."""
    content = bytearray(content)
    for _ in range(chance.randrange(1, 6)):
        start = chance.randrange(len(content))
        end = min(len(content), start + chance.randrange(1, 30))
        match chance.randrange(4):
            case 0:
                del content[start:end]
            case 1:
                content[start:start] = content[start:end]
            case 2:
                content[start] = chance.randrange(256)
            case 3:
                content[start:end] = chance.choice(
                    [
                        b"[[]]",
                        b'"',
                        b"true",
                        b"-1",
                        b"nan",
                        b"{}",
                        b"[]",
                        b"1979-05-27",
                        b"\n",
                        b"9e999",
                    ]
                )
        content = content or bytearray(b"\n")
    return bytes(content)


@pytest.mark.parametrize("seed", range(8))
def test_damage_is_never_a_traceback(tmp_path, seed):
    chance, content = random.Random(seed), EXAMPLE.read_bytes()
    refused = 0
    for _ in range(80):
        try:
            load(tmp_path, damaged(chance, content))
        except HeapgraphError as error:
            refused += len(error.parts()) == 3
    assert refused > 30


def test_values_of_every_type_in_every_place(tmp_path):
    """Each value of the example replaced by one of another type."""
    lines = EXAMPLE.read_text().splitlines()
    others = ["true", "3", "-0.5", '"x"', "[]", "{}", "[{}]", "1979-05-27", "inf", '["\\u0000"]']
    refused = 0
    for number, line in enumerate(lines):
        key, equals, _ = line.partition(" = ")
        if not equals or line.endswith(("[", ",")):
            continue
        for other in others:
            changed = [*lines[:number], f"{key} = {other}", *lines[number + 1 :]]
            try:
                load(tmp_path, "\n".join(changed))
            except SettingsUnusable as error:
                refused += bool(error.problems)
    assert refused > 300


def test_nothing_heavy_is_loaded():
    code = (
        "import sys; from heapgraph.watch.settings.load import load_settings;"
        "print([n for n in ('numpy', 'pyarrow', 'rich', 'click') if n in sys.modules])"
    )
    assert run_process(code=code).stdout == "[]\n"
