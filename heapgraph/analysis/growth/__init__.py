"""What is there of one snapshot and not of the one before."""
