"""The sandbox's own credentials. They open nothing but the sandbox, which takes exactly these.

One module per platform: `DEMO` is sign-in method -> input name -> value in the platform's own
formats; `SPARE` (optional) is accepted as well, for replacing a key that was revoked; `STREAMS`
(optional) are definitions of streams on what the sandbox holds, where a person defines them, and
`LOOK_AROUND` the names of those that bring nothing another imitation brings as well.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, Final

Inputs = dict[str, str]

DEMO: Final[dict[str, dict[str, Inputs]]] = {}
SPARE: Final[dict[str, Inputs]] = {}
STREAMS: Final[dict[str, list[dict[str, Any]]]] = {}
LOOK_AROUND: Final[dict[str, tuple[str, ...]]] = {}

for _found in pkgutil.iter_modules(__path__):
    _module = importlib.import_module(f"{__name__}.{_found.name}")
    DEMO[_found.name] = _module.DEMO
    SPARE[_found.name] = getattr(_module, "SPARE", {})
    STREAMS[_found.name] = getattr(_module, "STREAMS", [])
    LOOK_AROUND[_found.name] = getattr(_module, "LOOK_AROUND", ())
