"""All questions, in the order of a first look at a heap.

A new one is a module of `heapgraph.analysis` and an entry here: see docs/internals/an-analysis.md.
Nothing here imports numpy, so that `heapgraph --help` stays quick.
"""

from __future__ import annotations

from heapgraph.analysis.declarations.analysis import Analysis, Command
from heapgraph.analysis.declarations.parameters import Kind, Parameter

_RAW = Parameter(
    "raw",
    Kind.FLAG,
    "show each __dict__ apart from its owner, and every node of linked lists",
    default=False,
)


def _limit(
    what: str, default: int | None = None, *, printed_default: int | None = None
) -> Parameter:
    return Parameter(
        "limit", Kind.COUNT, f"how many {what}", default, printed_default=printed_default
    )


QUESTIONS = (
    Analysis(
        "summary",
        "summarize",
        "target, totals, roots by kind, quality, memory account",
        (),
        Command(
            "Target, totals, roots, quality, memory.",
            "Show what a snapshot is: its target, totals, roots by kind, quality, and the RSS "
            "account.",
        ),
    ),
    Analysis(
        "histogram",
        "type_histogram",
        "per type: count, shallow size, retained size of the set, native memory",
        (
            Parameter(
                "exact",
                Kind.FLAG,
                "make the retained size of every type exact (slow)",
                default=False,
            ),
            _limit("types to list", printed_default=30),
            Parameter(
                "sort",
                Kind.CHOICE,
                "what the types are ordered by, the most first",
                "retained",
                choices=("retained", "native", "shallow", "count"),
            ),
        ),
        Command(
            "Objects and sizes per type.",
            "Count the objects of every type, with their sizes.\n\n"
            "The retained size is what would be freed if all objects of the type went. It is exact "
            "for the largest types; for the others it is a minimum, marked with >=. Native memory "
            "is what C code has in blocks that the objects own: an estimate, and no part of the "
            "retained size.",
        ),
    ),
    Analysis(
        "dominators",
        "largest_objects",
        "the biggest objects by retained size, or what one object dominates",
        (
            Parameter(
                "of",
                Kind.OBJECT,
                "list what this object immediately dominates; <roots>: what no object does",
            ),
            _RAW,
            _limit("objects to list", 20),
        ),
        Command(
            "The biggest objects by retained size.",
            "List the biggest objects of a snapshot by retained size.\n\n"
            "The retained size of an object is what would be freed if it went. An instance or a "
            "module and its __dict__ count as one object; of a linked list the first node is "
            "listed.",
        ),
    ),
    Analysis(
        "holders",
        "find_holders",
        "the few objects where most bytes gather, none inside another",
        (_limit("holders to list", 5),),
    ),
    Analysis(
        "paths",
        "paths_to",
        "shortest paths from typed roots to objects",
        (
            Parameter(
                "objects",
                Kind.OBJECT,
                "object ids or OBJECT texts, type:NAME for all objects of a type",
                required=True,
                many=True,
                is_argument=True,
                placeholder="OBJECT...",
            ),
            Parameter(
                "count",
                Kind.COUNT,
                "show up to N different paths to a single object",
                1,
                option="--all",
            ),
            Parameter(
                "exclude",
                Kind.NAMES,
                "kinds of references and roots not to use, with commas between: "
                "weak,frame,type,c-held...",
                (),
                placeholder="KINDS",
            ),
            _limit("merged paths of a set to list", 20),
        ),
        Command(
            "Why objects are alive: paths from the roots.",
            "Show the shortest paths from the roots to objects.\n\n"
            "OBJECT is @ID, an address, an expression, or type:NAME for all objects of a type. The "
            "paths of several objects are merged: one row for each holder, with the number and "
            "size of what it holds.",
            name="path",
        ),
    ),
    Analysis(
        "show",
        "show_object",
        "one object: value, sizes, referents, referrers, reference count, dominators",
        (
            Parameter(
                "object", Kind.OBJECT, "object id or OBJECT text", required=True, is_argument=True
            ),
            Parameter("raw", Kind.FLAG, "list references as they are stored", default=False),
            _limit("references, referrers and dominators to list", 20),
        ),
        Command(
            "One object: value, references, referrers, sizes.",
            "Show one object: its value, what it refers to, what refers to it, who keeps it "
            "alive.\n\n"
            "The entries of the __dict__ of an instance are its fields, as long as nothing else "
            "refers to it.",
        ),
    ),
    Analysis(
        "suspects",
        "find_suspects",
        "leak suspects: where bytes gather, who holds them, what to do",
        (_limit("suspects", 10),),
        Command(
            "What probably leaks, and who holds it.",
            "Name the holders where a large part of the heap gathers, and say why in words.\n\n"
            "The first one is the one to look at first. A heap in which nothing stands out has "
            "none.",
        ),
    ),
    Analysis(
        "threads",
        "list_threads",
        "threads with stack, variables and retained size per frame; asyncio tasks; suspended code",
        (
            Parameter(
                "suspended",
                Kind.FLAG,
                "with --json: generators, coroutines and greenlets too",
                default=False,
            ),
            _limit("threads and tasks to list", printed_default=50),
        ),
        Command(
            "Threads with stacks and variables; asyncio tasks.",
            "Show every thread with its stack, its variables, and what each frame alone keeps "
            "alive.\n\n"
            "Then the asyncio tasks with the chain of what they await, and all generators and "
            "coroutines by the place of their code. The retained size of a frame is a minimum: "
            "what its variables keep alive and nothing else does.",
        ),
    ),
    Analysis(
        "waste",
        "find_waste",
        "what could be smaller and what should not be there: duplicates, leaks, things left open",
        (
            Parameter(
                "detectors",
                Kind.TEXT,
                "run only this detector; may be given several times",
                (),
                many=True,
                option="--detector",
                placeholder="NAME",
                default_text="all",
            ),
            Parameter(
                "min_size",
                Kind.BYTES,
                "leave out waste below this size",
                minimum=0,
                default_text="1 % of the heap, at most 1 MiB",
            ),
            _limit("findings to list", printed_default=20),
        ),
        Command(
            "Waste and leaks, each with owners and a fix.",
            "Find what could be smaller and what should not be there.\n\n"
            "Each finding says how many bytes would be freed, how many objects are concerned, who "
            "holds them, and what to do. Leaks (things that pile up) are reported whatever their "
            "size.",
        ),
    ),
    Analysis(
        "memory",
        "report_memory",
        "the account of resident memory, its verdict, and what keeps nearly empty arenas",
        (_limit("rows of each list", printed_default=10),),
        Command(
            "What resident memory is made of, and why it stays.",
            "Account for the resident memory (RSS), and say what it mostly is.\n\n"
            "Live objects, free space of the allocators, memory of C code, mapped files, stacks "
            "and the rest add up to what the kernel counts. Then the size classes of pymalloc, and "
            "what keeps arenas that are nearly empty.",
        ),
    ),
    Analysis(
        "diff",
        "diff_snapshots",
        "growth by type and by holder between snapshots; with three, what stayed; with more, what"
        " grew in every one",
        (
            Parameter(
                "new",
                Kind.SNAPSHOT,
                "the second snapshot",
                required=True,
                is_argument=True,
                placeholder="NEW",
            ),
            Parameter(
                "newer",
                Kind.SNAPSHOT,
                "the third snapshot, and all later ones",
                (),
                many=True,
                is_argument=True,
                placeholder="[NEWER]...",
            ),
            _limit("holders and types to list", 20, printed_default=20),
        ),
        Command(
            "What grew between snapshots.",
            "Compare snapshots of one program: which holders and which types grew.\n\n"
            "With three snapshots of one process the rank is what survived: objects made between "
            "OLD and NEW that are still there in NEWER. What merely comes and goes is not "
            "counted.\n\n"
            "With four or more, of one process or of several runs, only what grew in every one of "
            "them is listed, ranked by how much more of the heap nothing but the holder keeps "
            "alive.",
            file_metavar="OLD",
        ),
    ),
    Analysis(
        "sql",
        "query_heap",
        "a query in SQL over objects, references, types, roots, threads and dominators",
        (
            Parameter(
                "query",
                Kind.TEXT,
                "one SELECT in DuckDB's SQL; without one, the tables and their columns",
                is_argument=True,
            ),
            _limit("rows to print", printed_default=50),
            Parameter(
                "time_limit", Kind.SECONDS, "stop the query when it takes longer", default=600.0
            ),
        ),
        Command(
            "Ask in SQL (DuckDB), read-only.",
            "Run one query over the snapshot: objects, refs, types, roots, dominators, threads, "
            "maps.\n\n"
            "Try `describe objects`, or `select * from instances('app.Order') order by "
            "retained_size desc`. A query reads the snapshot and nothing else: no files, no "
            "extensions.",
        ),
    ),
    Analysis(
        "runtime",
        "runtime_facts",
        "collector, tracemalloc, flags and loaded packages of the target's interpreter",
        (),
        Command(
            "Collector, tracemalloc, flags, loaded packages.",
            "Show how the target's interpreter was set up: whether cycles are collected, with what "
            "thresholds, how many objects are frozen, whether tracemalloc runs and what it takes, "
            "sys.flags, and the installed packages that are loaded, with their versions.",
        ),
    ),
    Analysis(
        "verify",
        "verify_snapshot",
        "the file's checksums and its quality record against the promise",
        (),
        Command(
            "Check the file and its quality record.",
            "Check a snapshot: its checksums, its tables, and its quality record.\n\n"
            "Exit code 1 when the quality is below what is promised, 4 when the file is damaged.",
        ),
    ),
)
