"""Our own lint rules, each born from a mistake. They read the source as text or as a tree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "liftos_app"
FILES = sorted(PACKAGE.rglob("*.py"))
SERVICES = sorted((PACKAGE / "services").rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            yield node


def test_only_the_context_reads_the_wall_clock() -> None:
    found = [
        f"{name_of(path)}:{call.lineno}"
        for path in FILES
        if path.name != "context.py"
        for call in calls(path)
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in {"now", "utcnow", "today"}
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in {"datetime", "date", "dt"}
    ]
    assert found == []


def test_services_never_commit() -> None:
    found = [
        f"{name_of(path)}:{call.lineno}"
        for path in SERVICES
        if "migrations" not in path.name
        for call in calls(path)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "commit"
    ]
    assert found == []


def test_no_colour_is_written_outside_the_tokens_and_the_theme() -> None:
    allowed = {"theme.py"}
    colour = re.compile(r"""["'(\s]#[0-9a-fA-F]{3,8}["'\s;)]""")
    found = [
        f"{name_of(path)}:{number}"
        for folder in ("pages", "components", "state")
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        if path.name not in allowed
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if colour.search(line)
    ]
    assert found == []


def test_L65_http_clients_live_in_few_places() -> None:
    allowed = re.compile(r"services/(connectors/|demo|rates|sandbox/|oidc)|liftos_app/cli\.py")
    importing = re.compile(
        r"^\s*(import|from) (httpx|requests|aiohttp|urllib\.request|urllib3)\b", re.M
    )
    found = [
        name_of(path)
        for path in FILES
        if importing.search(path.read_text(encoding="utf-8")) and not allowed.search(name_of(path))
    ]
    assert found == []


def test_broad_excepts_stand_only_at_the_edges() -> None:
    edges = re.compile(
        r"(engine|sync/run|publish/asking|api/|state/|liftos_app|cli|boot|logs|guard)"
    )
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in FILES
        if not edges.search(name_of(path).removeprefix("liftos_app/"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"})
    ]
    assert found == []


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*")), ids=lambda p: p.name)
def test_requirement_files_name_no_index(path: Path) -> None:
    assert not re.search(r"https?://|--index|--find-links|--extra|file:", path.read_text("utf-8"))


def test_every_public_module_says_what_it_is() -> None:
    missing = [
        name_of(path)
        for path in FILES
        if path.stat().st_size and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert missing == []


def test_every_direct_dependency_is_argued_in_the_docs() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    wanted = set()
    for name in ("runtime.in", "build.in", "dev.in"):
        for line in (ROOT / "requirements" / name).read_text("utf-8").splitlines():
            if line and not line.startswith(("#", "-")):
                wanted.add(re.split(r"[\[<>=]", line)[0].strip().lower())
    assert sorted(n for n in wanted if f"`{n}`" not in text) == []


def test_every_setting_is_in_the_docs() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    source = (PACKAGE / "config.py").read_text(encoding="utf-8")
    names = set(re.findall(r'"([A-Z][A-Z_]{3,})"', source)) - {"DEBUG", "INFO", "WARNING", "ERROR"}
    assert sorted(n for n in names if n not in text) == []


def test_version_floors_of_the_security_guide_are_met() -> None:
    floors = {
        "starlette": (1, 3, 1),
        "python-multipart": (0, 0, 32),
        "granian": (2, 7, 4),
        "python-socketio": (5, 16, 3),
        "python-engineio": (4, 13, 3),
        "authlib": (1, 7, 1),
        "cryptography": (50, 0, 0),
        "aiohttp": (3, 14, 3),
    }
    lock = (ROOT / "requirements" / "dev.lock").read_text(encoding="utf-8")
    for name, floor in floors.items():
        versions = re.findall(rf"^{name}==([\d.]+)", lock, re.M)
        assert versions, name
        for version in versions:
            assert tuple(int(x) for x in version.split(".")[:3]) >= floor, (name, version)


def test_platform_docs_say_what_the_connectors_declare() -> None:
    """`python scripts/platform_docs.py` writes the generated part; people write the rest."""
    found = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "platform_docs.py"), "--check"],
        capture_output=True, text=True, check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    for path in (ROOT / "docs" / "platforms").glob("*.md"):
        written = path.read_text(encoding="utf-8").partition("<!-- generated")[0]
        assert len(written.split()) > 80, f"{path.name} says nothing of its own"
