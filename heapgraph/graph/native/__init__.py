"""Memory of C code as a part of the heap."""
