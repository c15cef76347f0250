"""`python -m benchmarks [sync platforms page security crowd replicas volume]`; all by default."""

from __future__ import annotations

import os
import platform
import sys

from benchmarks import all_platforms, crowd, page, replicas, security, sync, volume

PARTS = {"sync": sync.main, "platforms": all_platforms.main, "page": page.main,
         "security": security.main, "crowd": crowd.main, "replicas": replicas.main,
         "volume": volume.main}


def main() -> None:
    """Name the machine, then measure."""
    print(
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}"
    )
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
