"""Failover segments: the actions on them, and the two APIs that they need."""
