"""What one process writes down and others read."""
