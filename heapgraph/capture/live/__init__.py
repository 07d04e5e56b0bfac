"""A process that runs: how its memory is made to stand still, without harm."""
