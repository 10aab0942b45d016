"""Where the witness answers, for it and for those who ask it."""

TESTIMONY = 8509
"""Where it testifies: beside Consul's own ports, which end at 8503."""

AGENTS = {"manage": 8510, "tenant": 8511, "storage": 8512}
"""Ports of the loopback interface where it is an agent for the driver."""
