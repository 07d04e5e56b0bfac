"""Fault drills: what must hold when something breaks, tried on processes of our own."""
