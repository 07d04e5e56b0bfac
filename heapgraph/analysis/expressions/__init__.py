"""A path from a root as the Python that walks it, and text back to the object it names.

    app.sessions.CACHE['user:42'].history[3]
    <thread 'worker-3' in handle() at app.py:88> rows[5].payload
    <task 'poll' in fetch() at client.py:41> response.body
    <held by C code, 2 references> list[0]

What cannot be written as Python is written in `<...>`, with `@ID` where several read alike.
`resolve` gives the object of every expression back.
"""

from heapgraph.analysis.expressions.resolving import resolve, resolve_set
from heapgraph.analysis.expressions.writing import expression, path_references, write_path

__all__ = ["expression", "path_references", "resolve", "resolve_set", "write_path"]
