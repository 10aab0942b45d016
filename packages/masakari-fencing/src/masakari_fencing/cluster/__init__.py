"""What the charm does to the cluster, as root, and what it finds wrong with it."""
