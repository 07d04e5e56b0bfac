"""Stacks of names with sizes, as profilers keep them: what all their formats have in common."""
