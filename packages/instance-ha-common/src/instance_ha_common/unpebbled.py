"""Has ops load its client of Pebble when it is used, which a machine's charm does not.

It takes a third of what ops takes to load: HTTP, TLS, web sockets and e-mail. Each charm imports
this module before ops.
"""

from __future__ import annotations

import importlib
import sys
import types


class Unloaded(types.ModuleType):
    """Stands for `ops.pebble`.

    Attributes:
        CheckInfo: what ops itself names when it is loaded, to say what a mapping holds.
        ServiceInfo: likewise.
    """

    CheckInfo = ServiceInfo = object

    def __getattr__(self, name: str) -> object:
        """Load it, and have what it has."""
        if name.startswith("__"):  # who only looks at modules
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        loaded = importlib.import_module(self.__name__)
        self.__dict__.update(vars(loaded))
        return getattr(loaded, name)


if "ops" not in sys.modules:
    sys.modules["ops.pebble"] = Unloaded("ops.pebble")
