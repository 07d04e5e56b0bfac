"""What comes again and again is said once a minute."""

from __future__ import annotations

import asyncio
import errno
import os

from heapgraph.watch.seldom import EVERY_S, MOST, Seldom


def test_a_text_is_said_again_after_a_minute():
    said, now = [], [0.0]
    seldom = Seldom(said.append, lambda: now[0])
    for _ in range(3):
        seldom("a")
    seldom("b")
    now[0] = EVERY_S
    seldom("a")
    assert said == ["a", "b", "a"]


def test_texts_that_always_differ_have_a_limit():
    said = []
    seldom = Seldom(said.append, lambda: 0.0)
    for number in range(2 * MOST):
        seldom(str(number))
    assert len(said) == MOST


def test_what_a_loop_would_print_with_a_traceback_is_one_line():
    said = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(Seldom(said.append).of_loop)
        error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        for _ in range(3):
            loop.call_exception_handler({"message": "socket.accept()", "exception": error})
        loop.call_exception_handler({"message": "a task", "exception": ValueError("x")})

    asyncio.run(run())
    assert said == ["socket.accept(): Too many open files", "a task: ValueError: x"]
