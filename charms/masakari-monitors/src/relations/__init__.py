"""What the charm and its neighbours tell each other: one module for each protocol."""
