"""The benchmark: how soon instances come back."""
