"""The notifier: a daemon on every masakari unit."""
