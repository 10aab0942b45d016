"""No test judges how long a machine takes."""

from hypothesis import settings

settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
