"""masakari-fencing-keeper: looks after hypervisors that are cut off from their storage."""
