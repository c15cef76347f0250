"""`python -m benchmarks [sync platforms page small security crowd]`: all when none is named."""

from __future__ import annotations

import os
import platform
import sys

from benchmarks import all_platforms, crowd, page, security, small, sync

PARTS = {"sync": sync.main, "platforms": all_platforms.main, "page": page.main, "small": small.main,
         "security": security.main, "crowd": crowd.main}


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
