"""The program that a drill watches: it counts heartbeats, and answers on its standard input.

It is run by its path with no library but Python's own. One line in, one line out:

    beats       how many so far, and the longest time between two since the last question, ms
    hold N      keep N MiB more; `objects N`: keep N small objects more; `release`: let go of all
    map N       have N MiB more that are no objects; `unmap`: give them back to the system at once
    crew N      fork N children that beat once a second; they end with this process
    crew-beats  beats of the one of the crew that has the fewest
    end         end with exit code 0; so does the end of its standard input
"""

from __future__ import annotations

import ctypes
import mmap
import os
import select
import struct
import sys
import time

_PR_SET_PTRACER = 0x59616D61  # linux/prctl.h
BEAT_MS = 2
CREW_BEAT_S = 1.0
_MIB = 1 << 20
_WORD = 8
_PAGE = 4096

HELD: list[bytearray] = []
OBJECTS: list[tuple[str, list[int]]] = []
CREW: list[mmap.mmap] = []
MAPPED: list[mmap.mmap] = []


def main() -> None:
    """Beat until told to end."""
    # Where Yama allows parents alone to look (ptrace_scope 1), others may here: it is our program.
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
    beats, widest, last = 0, 0.0, time.monotonic()
    waiting = select.poll()
    waiting.register(0, select.POLLIN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        if waiting.poll(BEAT_MS):
            words = sys.stdin.readline().split()
            if not words or words[0] == "end":
                sys.stdout.write("ended\n")
                return
            if words[0] == "beats":
                sys.stdout.write(f"{beats} {widest * 1000:.1f}\n")
                widest = 0.0
            else:
                sys.stdout.write(f"{obey(words)}\n")
                last = time.monotonic()
            sys.stdout.flush()
        beats += 1
        now = time.monotonic()
        widest, last = max(widest, now - last), now


def obey(words: list[str]) -> str:
    """Do what a line asks for; the answer to it."""
    match words:
        case ["hold", number]:
            HELD.extend(bytearray(b"\1") * (_MIB // 16) for _ in range(16 * int(number)))
        case ["objects", number]:
            OBJECTS.extend((f"name {each}", [each]) for each in range(int(number)))
        case ["release"]:
            HELD.clear()
            OBJECTS.clear()
        case ["map", number]:
            MAPPED.append(mmap.mmap(-1, int(number) * _MIB))
            for _ in range(0, int(number) * _MIB, _PAGE):
                MAPPED[-1].write(bytes(_PAGE))
        case ["unmap"]:
            MAPPED.pop().close()
        case ["crew", number]:
            make_crew(int(number))
        case ["crew-beats"]:
            size = len(CREW[0]) // _WORD
            return str(min(struct.unpack(f"{size}Q", CREW[0][:])))
        case _:
            return "unknown"
    return "done"


def make_crew(count: int) -> None:
    """Fork children; each ends when the write end of a pipe, which only this process has, goes."""
    CREW.append(mmap.mmap(-1, _WORD * count))
    ended, kept = os.pipe()
    for number in range(count):
        if os.fork() == 0:
            os.close(kept)
            for descriptor in (0, 1):
                os.close(descriptor)
            beat_alone(number, ended)
    os.close(ended)


def beat_alone(number: int, ended: int) -> None:
    """What a child of the crew does."""
    waiting = select.poll()
    waiting.register(ended, select.POLLIN)
    beats = 0
    while not waiting.poll(CREW_BEAT_S * 1000):
        beats += 1
        struct.pack_into("Q", CREW[0], _WORD * number, beats)
    os._exit(0)


if __name__ == "__main__":
    main()
