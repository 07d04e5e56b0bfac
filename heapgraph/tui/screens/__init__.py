"""Screens: the browser and what lies over it."""
