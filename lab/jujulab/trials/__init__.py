"""Faults, what is seen while the cloud recovers, and the judgement."""
