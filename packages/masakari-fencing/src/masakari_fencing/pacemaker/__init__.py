"""The wire to Pacemaker: what its tools say, and what is kept in its configuration."""
