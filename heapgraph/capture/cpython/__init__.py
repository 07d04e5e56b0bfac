"""How CPython keeps its state: the runtime, the interpreters, the roots."""
