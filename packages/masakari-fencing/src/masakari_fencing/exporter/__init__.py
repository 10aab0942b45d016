"""Shows to Prometheus what is known of recoveries, fencing and the cluster."""
