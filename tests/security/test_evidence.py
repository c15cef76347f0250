"""What the security pages claim is true today: controls, scans, version floors."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from liftos_app import cli
from liftos_app.config import ROOT
from liftos_app.services.evidence import components, controls


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_control_has_a_test_or_a_written_reason_and_never_both() -> None:
    rows = controls.table()
    assert [c.name for c in rows] == [f"L{n}" for n in range(1, 113)]
    for c in rows:
        assert c.asks, c.name
        assert c.code, c.name
        assert c.tests or len(c.why) > 20, f"{c.name} has neither a test nor a reason"
        assert not (c.tests and c.why), f"{c.name} has tests: its reason is out of date"
        assert not (c.also and not c.why), f"{c.name}: `also` belongs to a reason"
        assert c.tests or not c.lacks, f"{c.name}: without a test all is missing, not a part"
        assert "without the number" not in c.why, f"{c.name}: give its tests the number"


def test_no_test_carries_the_number_of_a_control_that_does_not_exist() -> None:
    names = {c.name for c in controls.table()}
    assert set(controls.numbered_tests()) <= names


def test_what_the_control_table_points_at_exists() -> None:
    for c in controls.table():
        if c.also:
            assert (ROOT / c.also).is_file(), (c.name, c.also)
        if c.code == "none":  # nothing is built: then no test may claim it
            assert not c.tests, c.name
            continue
        for path in c.code.split(", "):
            assert any((base / path).exists() for base in (ROOT, ROOT / "liftos_app")), c.name


def test_the_commands_of_the_security_pages_exist() -> None:
    found = set()
    for page in (ROOT / "docs" / "security").glob("*.md"):
        for words in re.findall(r"`liftos ([a-z]+(?: [a-z][a-z-]+)?)", page.read_text("utf-8")):
            found.add(words)
    assert {"keys rotate", "evidence make", "erase person"} <= found
    assert found <= set(cli.ALLOW)


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
            if key in components.FLOORS:
                seen.add(key)
                floor = components.numbers(components.FLOORS[key])
                assert components.numbers(version) >= floor, (lock.name, name, version)
    assert {"starlette", "cryptography", "granian", "authlib"} <= seen


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
