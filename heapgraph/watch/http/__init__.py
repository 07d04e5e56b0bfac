"""The daemon's HTTP surface: who asks, what they may, what they get. No GET stops a target."""
