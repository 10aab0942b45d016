"""Stands for a module of another package until that is needed."""

from __future__ import annotations

import importlib
import sys
import types


class Unloaded(types.ModuleType):
    """Is loaded as soon as something else is asked of it than what it was given."""

    def __init__(self, name: str, **given: object) -> None:
        """Stand for the module `name` from now on; `given` is what it has meanwhile."""
        super().__init__(name)
        self.__dict__.update(given)
        sys.modules[name] = self

    def __getattr__(self, name: str) -> object:
        """Load it, and have what it has."""
        if name.startswith("__"):  # who only looks at modules
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        loaded = importlib.import_module(self.__name__)
        self.__dict__.update(vars(loaded))
        return getattr(loaded, name)
