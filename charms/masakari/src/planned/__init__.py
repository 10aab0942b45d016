"""Planned work: emptying a host before it, and rehearsing a failure."""
