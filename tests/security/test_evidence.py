"""What the security pages claim is true today: controls, scans, version floors."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from liftos_app.config import ROOT

# Advisories seen up to November 2026: nothing older may be locked.
FLOORS = {
    "starlette": "1.3.1", "python-multipart": "0.0.32", "granian": "2.7.4",
    "python-socketio": "5.16.3", "python-engineio": "4.13.3", "authlib": "1.7.1",
    "pyjwt": "2.13.0", "cryptography": "50.0.0", "aiohttp": "3.14.3",
}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_control_has_a_test_or_a_written_reason() -> None:
    rows = script("control_table").table()
    assert [name for name, *_ in rows] == [f"L{n}" for n in range(1, 113)]
    for name, what, code, tests, why in rows:
        assert what, name
        assert code, name
        assert tests or len(why) > 20, f"{name} has neither a test nor a reason"


def test_what_the_control_table_points_at_exists() -> None:
    for name, one in script("control_table").controls().items():
        assert set(one) <= {"what", "code", "also", "why"}, name
        if "also" in one:
            assert (ROOT / one["also"]).is_file(), (name, one["also"])
        for part in one["code"].split(", "):
            path = part.split(" (", maxsplit=1)[0]
            audit = path == "services/audit"  # a file or a folder
            known = any((base / path).exists() for base in (ROOT, ROOT / "liftos_app"))
            assert known or audit or path == "none", (name, path)


def test_the_control_page_is_the_one_of_today() -> None:
    made = script("control_table")
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), "run scripts/control_table.py"


def test_L82_nothing_below_a_version_with_a_known_hole_is_locked() -> None:
    seen = set()
    for lock in sorted((ROOT / "requirements").glob("*.lock")):
        for name, version in re.findall(
            r"^([A-Za-z0-9_.-]+)==([0-9][^\s;\\]*)", lock.read_text(encoding="utf-8"), re.M
        ):
            key = name.lower().replace("_", "-")
            if key in FLOORS:
                seen.add(key)
                assert numbers(version) >= numbers(FLOORS[key]), (lock.name, name, version)
    assert {"starlette", "cryptography", "granian", "authlib"} <= seen


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


def test_L84_no_secret_lies_in_a_tracked_file() -> None:
    assert script("secret_scan").scan() == []


@pytest.mark.parametrize(
    "line",
    [
        "-----BEGIN " + "PRIVATE KEY-----",
        "key = 'AKIA" + "ABCDEFGHIJKLMNOP'",
        "token: gh" + "p_0123456789abcdefghijABCDEFGHIJ012345",
        "url = 'postgresql://me:" + "Tr0ub4dor99@db/x'",
        "api_key = '" + "q8Zr1Lw0Xv7Nf3Ks9Td5Gh2Jb6'",
        "lft_" + "abcd1234_" + "x1" * 20,
    ],
)
def test_L84_the_scan_finds_what_it_is_for(line: str) -> None:
    assert len(script("secret_scan").findings("x.py", line)) >= 1


def test_L84_the_checks_run_both_scans() -> None:
    text = Path(ROOT / "Makefile").read_text(encoding="utf-8")
    assert "bandit -q -c pyproject.toml" in text
    assert "scripts/secret_scan.py" in text
