"""The recovery workflow, in masakari-engine."""
