"""What this installation runs on: a CycloneDX list, and versions below which holes are known."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from importlib import metadata
from typing import Any, Final
from uuid import uuid4

from liftos_app import __version__
from liftos_app.config import ROOT

# Advisories seen up to November 2026: nothing older may run.
FLOORS: Final = {
    "starlette": "1.3.1", "python-multipart": "0.0.32", "granian": "2.7.4",
    "python-socketio": "5.16.3", "python-engineio": "4.13.3", "authlib": "1.7.1",
    "pyjwt": "2.13.0", "cryptography": "50.0.0", "aiohttp": "3.14.3",
}


def installed() -> dict[str, str]:
    """Name (PEP 503) -> version of every package that can be imported here."""
    return {
        _plain(d.metadata["Name"]): d.version for d in metadata.distributions()
        if d.metadata["Name"]
    }


def floors() -> list[dict[str, str]]:
    """Each floor with what is installed: ok, below, or not installed."""
    here = installed()
    return [
        {"package": name, "floor": floor, "installed": here.get(name, ""),
         "result": "not installed" if name not in here
         else "ok" if numbers(here[name]) >= numbers(floor) else "below"}
        for name, floor in FLOORS.items()
    ]


def numbers(version: str) -> tuple[int, ...]:
    """The first three numbers of a version, for comparing."""
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


def sbom(now: datetime) -> dict[str, Any]:
    """CycloneDX 1.6: every installed package, and the lock files with their hashes if here."""
    locks = sorted((ROOT / "requirements").glob("*.lock"))
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {"type": "application", "bom-ref": "liftos", "name": "liftos",
                          "version": __version__},
        },
        "components": [
            *({"type": "library", "bom-ref": f"pkg:pypi/{name}@{version}", "name": name,
               "version": version, "purl": f"pkg:pypi/{name}@{version}"}
              for name, version in sorted(installed().items()) if name != "liftos"),
            *({"type": "file", "bom-ref": f"requirements/{path.name}",
               "name": f"requirements/{path.name}",
               "hashes": [{"alg": "SHA-256",
                           "content": hashlib.sha256(path.read_bytes()).hexdigest()}]}
              for path in locks),
        ],
    }


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
