"""From the age of objects to whether a container grows: members, clock, rules, evidence."""
