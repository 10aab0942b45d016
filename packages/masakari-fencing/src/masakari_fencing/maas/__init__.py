"""The wire to MAAS."""
