"""Before the disaster: what would go wrong on the day, and what to do about it now."""
