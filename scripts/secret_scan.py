"""Look for secrets in tracked files: private keys, tokens of known form, long random values given
to names that sound secret. `python scripts/secret_scan.py` exits 1 and names file and line.

The sandbox's invented credentials and test keys are allowed by place, below; nothing by value.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = (  # invented credentials of imitated platforms, and tests that use or forge some
    "liftos_app/services/sandbox/", "tests/", "benchmarks/", "requirements/",
)
SKIPPED = (".svg", ".woff2", ".png", ".lock", ".gz")
KNOWN = {
    # the armour alone, as a help text names it, is no key: a line end or key material follows
    "private key": re.compile(
        r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----(?:\\[rn]|\s)*(?:[A-Za-z0-9+/=]{20,}|$)"
    ),
    "AWS key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
    "Slack token": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "Stripe key": re.compile(r"\b[rs]k_live_[A-Za-z0-9]{16,}"),
    "Google key": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "JWT": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "our API key": re.compile(r"\blft_[A-Za-z0-9]{8,}_[A-Za-z0-9_-]{30,}"),
    "password in an address": re.compile(r"://[^/\s:@{}<>]+:(?!password|secret|\*|\.\.\.)[^/\s@{}<>]{8,}@"),
}
NAMED = re.compile(
    r"(?i)(?:password|secret|token|api_?key|master_?key)\w*[\"']?\s*[:=]\s*[\"']([A-Za-z0-9+/=_.-]{20,})[\"']"
)
RANDOM_BITS = 3.8  # per character; words of code stay below


def entropy(text: str) -> float:
    """Shannon entropy in bits per character."""
    return -sum(
        (n := text.count(c) / len(text)) * math.log2(n) for c in set(text)
    )


def findings(name: str, text: str) -> list[str]:
    """What looks like a secret in one file, as `file:line: what`."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        kinds = [kind for kind, pattern in KNOWN.items() if pattern.search(line)]
        kinds += ["random value" for v in NAMED.findall(line) if entropy(v) > RANDOM_BITS]
        found += [f"{name}:{number}: {kind}" for kind in kinds]
    return found


def scan() -> list[str]:
    """Findings in all tracked files outside the allowed places."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    found: list[str] = []
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if name.startswith(ALLOWED) or name.endswith(SKIPPED) or not path.is_file():
            continue
        found += findings(name, path.read_text(encoding="utf-8", errors="replace"))
    return found


if __name__ == "__main__":
    wrong = scan()
    sys.stdout.write("\n".join([*wrong, f"{len(wrong)} findings"]) + "\n")
    raise SystemExit(1 if wrong else 0)
