"""Masakari's processes, with the broker and the database between them, and its API."""
