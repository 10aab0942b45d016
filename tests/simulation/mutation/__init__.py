"""Faults that were mended, put back one at a time: the simulation has to find each."""
