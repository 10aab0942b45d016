"""Pacemaker with remote nodes, as it is to whoever runs its commands."""
