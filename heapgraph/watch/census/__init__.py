"""What a heap is made of, counted without a file: taken by a child process, read by the daemon."""
