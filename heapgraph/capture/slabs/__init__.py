"""Blocks of allocators that keep their books beside the blocks."""
