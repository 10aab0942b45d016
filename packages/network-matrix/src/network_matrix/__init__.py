"""What Consul says about a hypervisor's networks, and whether that calls for a recovery."""
