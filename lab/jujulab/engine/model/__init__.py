"""The model: what the controller knows, and the rules by which it changes."""
