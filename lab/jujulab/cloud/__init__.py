"""The cloud that runs in the lab, as its operator and its administrator see it."""
