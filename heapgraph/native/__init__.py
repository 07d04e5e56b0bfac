"""The Python face of the compiled code: one typed function per entry point."""
