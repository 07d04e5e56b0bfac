"""What the memory that the system counts is used for."""
