"""Bringing the instances of a dead host up elsewhere."""
