"""The wire to the APIs of Masakari and Nova."""
