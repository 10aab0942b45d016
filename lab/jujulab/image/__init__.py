"""The base image of the machines: its recipe, and how it is built and cached."""
