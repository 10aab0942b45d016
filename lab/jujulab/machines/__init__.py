"""Machines: system containers on overlays of one image, on the lab's networks."""
