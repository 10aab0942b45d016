"""Hook tools: the wire between a charm's process and the controller."""
