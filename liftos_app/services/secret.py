"""A text that must not be seen: masked wherever it is shown, opened only by `.reveal()`.

Every living Secret is known to `known_values`, so that the log filter can mask it by value.
"""

from __future__ import annotations

import hmac
import weakref
from typing import Any, Final, NoReturn

MASK: Final = "[secret]"
_SHORTEST_MASKED: Final = 8  # shorter values would mask ordinary words all over the logs

# Process-wide on purpose: a value that lives anywhere in this process must be masked everywhere.
_living: weakref.WeakValueDictionary[int, Secret] = weakref.WeakValueDictionary()


class Secret:
    """A plaintext credential. Cannot be pickled, copied, formatted or put into JSON."""

    __slots__ = ("__value", "__weakref__")

    def __init__(self, value: str) -> None:
        self.__value = value
        _living[id(self)] = self

    def reveal(self) -> str:
        """The plaintext, for the one line that sends it to its platform."""
        return self.__value

    @property
    def hint(self) -> str:
        """The last four characters of a long value, for people; empty for a short one."""
        return self.__value[-4:] if len(self.__value) >= 12 else ""

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.reveal().encode())

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("A Secret cannot be pickled or copied.")


def known_values() -> list[str]:
    """The plaintexts alive in this process that are long enough to mask, longest first."""
    alive = (ref() for ref in _living.valuerefs())
    texts = {one.reveal() for one in alive if one is not None}
    return sorted((t for t in texts if len(t) >= _SHORTEST_MASKED), key=len, reverse=True)
