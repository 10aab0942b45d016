"""What happens: single situations, and seeds that mix faults."""
