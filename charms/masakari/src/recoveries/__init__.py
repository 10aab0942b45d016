"""What operators do about fencing and recoveries: the actions, apart from Juju."""
