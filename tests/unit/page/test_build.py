"""The build: what is patched, what is committed, when it is skipped."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from liftos_app.rxplugins import patch_redirect, patch_socket_address

ROOT = Path(__file__).resolve().parents[3]
SOCKET = "a;\nendpoint.hostname = frontend_hostname;\nb;"
REDIRECT = "if (url.host !== window.location.host) {"


@pytest.fixture
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_page", ROOT / "scripts" / "build_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_socket_goes_to_the_pages_own_port() -> None:
    patched = patch_socket_address(SOCKET)
    assert "endpoint.port = window.location.port;" in patched
    assert patch_socket_address(patched) == patched


def test_our_own_http_routes_leave_the_page() -> None:
    patched = patch_redirect(REDIRECT)
    assert "(sandbox|auth|api)" in patched
    assert patch_redirect(patched) == patched


@pytest.mark.parametrize("patch", [patch_socket_address, patch_redirect])
def test_a_changed_upstream_stops_the_build(patch: object) -> None:
    with pytest.raises(RuntimeError, match="changed upstream"):
        patch("something else")  # type: ignore[operator]


def test_the_lock_pins_every_package_by_hash_and_names_no_address() -> None:
    lock = json.loads((ROOT / "reflex.lock" / "package-lock.json").read_text("utf-8"))
    packages = {n: p for n, p in lock["packages"].items() if n}
    assert len(packages) > 50
    assert [n for n, p in packages.items() if "resolved" in p] == []
    assert [n for n, p in packages.items() if "integrity" not in p and not p.get("link")] == []


def test_no_package_index_is_named_in_what_the_build_uses() -> None:
    named = re.compile(r"registry\.(npmjs|yarnpkg|npmmirror)|pypi\.org|files\.pythonhosted")
    files = [
        ROOT / "rxconfig.py",
        ROOT / "scripts" / "build_page.py",
        *(ROOT / "reflex.lock").iterdir(),
    ]
    assert [f.name for f in files if named.search(f.read_text("utf-8"))] == []


def test_addresses_are_stripped_from_a_lock(build: ModuleType, tmp_path: Path) -> None:
    lock = tmp_path / "package-lock.json"
    lock.write_text(json.dumps({"packages": {"": {}, "a": {"resolved": "x", "integrity": "y"}}}))
    build.strip_addresses(lock)
    assert json.loads(lock.read_text()) == {"packages": {"": {}, "a": {"integrity": "y"}}}


def test_the_fingerprint_follows_what_a_page_imports(build: ModuleType) -> None:
    inputs = {p.relative_to(ROOT).as_posix() for p in build._inputs()}
    assert {
        "assets/tokens.css",
        "liftos_app/pages/overview.py",
        "liftos_app/services/wizard.py",
        "liftos_app/services/metrics/periods.py",
        "rxconfig.py",
    } <= inputs


def test_settings_of_the_operator_do_not_reach_the_build(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("JWT_SECRET_KEY", "DATABASE_URL", "LIFTOS_BASE_URL_SHOPIFY"):
        monkeypatch.setenv(name, "x")
    assert not {"JWT_SECRET_KEY", "DATABASE_URL", "LIFTOS_BASE_URL_SHOPIFY"} & set(
        build.build_environment()
    )
