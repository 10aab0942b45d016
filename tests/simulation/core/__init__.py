"""Virtual time, and what stands between the real code and the world."""
