"""What the memory around the objects is used for."""
