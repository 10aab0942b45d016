"""A real cluster of three members and as many hypervisors as the machine carries, measured."""
