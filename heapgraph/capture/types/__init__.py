"""How objects of each type are read: rules, for the walker."""
