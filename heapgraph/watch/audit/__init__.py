"""What was done, by whom and why: a chain of JSON lines that nobody changes unseen."""
