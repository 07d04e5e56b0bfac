"""The heap as a graph: object ids, references, dominators, paths."""
