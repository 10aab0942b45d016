"""How often a recovery that has failed is begun again, and after which pauses.

What an operator says is a list of seconds, such as `2, 20, 60`: three retries. With `...` at its
end the last pause is repeated without end.
"""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT = "2, 20, 60, 120, 300, ..."
"""What fails behind the fence is most often away for seconds only, as a database or a broker that
fails over; a hypervisor with room for an instance may take an operator to find."""

AND_SO_ON = "..."
LONGEST = 86400
MOST = 20

_EXPECTED = (
    f"expected at most {MOST} pauses in seconds (1 to {LONGEST}), separated by commas,"
    f" {AND_SO_ON} behind the last one to repeat it without end; empty: no retry"
)


@dataclass(frozen=True)
class Retries:
    """The retries of a recovery.

    Attributes:
        pauses: seconds after the first, second, ... failure until the next attempt.
        endless: the last of them is repeated.
    """

    pauses: tuple[int, ...]
    endless: bool = False

    def pause(self, failures: int) -> float | None:
        """Return the seconds after so many failures until the next attempt; None: never."""
        number = max(failures, 1) - 1
        if number < len(self.pauses):
            return float(self.pauses[number])
        return float(self.pauses[-1]) if self.endless else None

    def __str__(self) -> str:
        return ", ".join([*map(str, self.pauses), *([AND_SO_ON] if self.endless else [])])


def parse(text: str) -> Retries:
    """Read what an operator says.

    Raises:
        ValueError: it is no such list; the text says what was expected.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    endless = parts[-1:] == [AND_SO_ON]
    found = parts[:-1] if endless else parts
    numbers = [int(p) if p.isascii() and p.isdigit() and len(p) < 6 else 0 for p in found]
    if not all(0 < n <= LONGEST for n in numbers) or len(numbers) > MOST:
        raise ValueError(f"{_EXPECTED}; found {text!r}")
    if endless and not numbers:
        raise ValueError(f"{_EXPECTED}; found {text!r}")
    return Retries(tuple(numbers), endless)
