"""The daemon: counters, census, rules, alerts, endpoint and audit log for live processes."""
