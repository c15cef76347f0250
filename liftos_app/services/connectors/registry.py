"""Finds the platforms: every module or package in `platforms/` that exports `PLATFORM`."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from liftos_app.errors import Missing
from liftos_app.services.connectors import platforms
from liftos_app.services.connectors.spec import Platform


@functools.cache
def all_platforms() -> tuple[Platform, ...]:
    """All platforms, by tier and name. Two with one slug stop the start with ValueError."""
    found: dict[str, Platform] = {}
    for info in pkgutil.iter_modules(platforms.__path__):
        module = importlib.import_module(f"{platforms.__name__}.{info.name}")
        platform: Platform = module.PLATFORM
        if platform.slug in found:
            raise ValueError(f"Two platforms are called {platform.slug!r}.")
        if platform.slug != info.name:
            raise ValueError(f"The platform in {info.name} is called {platform.slug!r}.")
        found[platform.slug] = platform
    return tuple(sorted(found.values(), key=lambda p: (p.tier, p.name)))


def get(slug: str) -> Platform:
    """A platform by its id. Raises Missing."""
    for platform in all_platforms():
        if platform.slug == slug:
            return platform
    known = ", ".join(p.slug for p in all_platforms())
    raise Missing(
        f"There is no platform called {slug[:40]!r}.",
        why="The id is not in the catalogue.",
        fix=f"Use one of: {known}.",
        field="platform",
    )
