"""From a live process to a snapshot: find, freeze, walk, name the roots, judge, write."""
