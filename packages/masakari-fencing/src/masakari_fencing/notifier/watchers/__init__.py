"""What the notifier looks after besides the reports."""
