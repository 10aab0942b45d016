"""How many different states were seen, without keeping them: linear counting in a bitmap."""

from __future__ import annotations

import math
from collections.abc import Iterable

BITS = 1 << 26


class Counter:
    """Counts distinct numbers, with an error below 1 % up to some ten millions."""

    def __init__(self, bitmap: bytearray | None = None) -> None:
        self._bitmap = bitmap or bytearray(BITS // 8)

    def add(self, numbers: Iterable[int]) -> int:
        """Count numbers; return how many of them were new."""
        new = 0
        for number in numbers:
            place = (number * 0x9E3779B97F4A7C15 >> 20) % BITS
            mask = 1 << (place & 7)
            if not self._bitmap[place >> 3] & mask:
                self._bitmap[place >> 3] |= mask
                new += 1
        return new

    def total(self) -> int:
        """Return how many different ones were counted."""
        empty = BITS - sum(byte.bit_count() for byte in self._bitmap if byte)
        return round(-BITS * math.log(empty / BITS))
