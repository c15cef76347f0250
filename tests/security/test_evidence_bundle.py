"""The evidence bundle: what stands in it, that it holds no key, and that tampering shows."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from liftos_app.errors import Denied, Invalid
from liftos_app.models import AuditEntry, Role
from liftos_app.services import evidence, vault
from liftos_app.services.context import App, Principal
from liftos_app.services.evidence import components, controls
from tests.conftest import TEST_ENV

OPERATOR = Principal(kind="operator", name="command line", role=Role.SUPER_ADMIN)
JUNIT = """<?xml version="1.0"?><testsuites><testsuite>
<testcase classname="tests.security.test_ssrf" name="{test}[a]"/>
<testcase classname="tests.security.test_ssrf" name="{test}[b]">{inside}</testcase>
</testsuite></testsuites>"""


@pytest.fixture
def made(app: App, tmp_path: Path, open_ctx: Callable[..., Any]) -> evidence.Made:
    with open_ctx(write=True) as ctx:
        vault.seal(ctx, "a seed", table="second_factor", row_id="1", field="sealed")
    return evidence.make(app, OPERATOR, tmp_path / "out")


def contents(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def rewrite(path: Path, files: dict[str, str]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def test_L82_the_bundle_tells_what_it_is_for_and_holds_no_key(
    app: App, made: evidence.Made
) -> None:
    files = {name: text for name, text in contents(made.path).items() if name != "manifest.mac"}
    parsed = {name: json.loads(text) for name, text in files.items()}
    assert made.path.name == "liftos-evidence-20261123T120000Z.zip"
    assert [c["name"] for c in parsed["controls.json"]["controls"]][-1] == "L112"
    assert parsed["roles.json"]["permissions"]["audit.read"]["viewer"] is False
    keys = parsed["keys.json"]
    assert keys["master_keys"] == [{"kid": "k1", "active": True}]
    assert [k["count"] for k in keys["data_keys"]] == [1]
    assert parsed["audit.json"]["ok"] is True
    assert {f["result"] for f in parsed["dependency-floors.json"]} <= {"ok", "not installed"}
    bom = parsed["sbom.cdx.json"]
    assert (bom["bomFormat"], bom["specVersion"]) == ("CycloneDX", "1.6")
    purls = {c.get("purl") for c in bom["components"]}
    assert f"pkg:pypi/cryptography@{components.installed()['cryptography']}" in purls
    locks = [c for c in bom["components"] if c["type"] == "file"]
    assert {c["name"] for c in locks} >= {"requirements/runtime.lock"}
    whole = "".join(files.values())
    assert not [v for v in TEST_ENV.values() if v.rpartition(":")[2] in whole]


def test_what_was_made_verifies_and_stands_in_the_audit_log(
    app: App, made: evidence.Made
) -> None:
    found = evidence.verify(app, made.path)
    assert found.problems == ()
    assert found.made_at.startswith("2026-11-23T12:00")
    with app.db.read() as session:
        entry = session.exec(
            select(AuditEntry).where(AuditEntry.action == "evidence.made")
        ).one()
        assert entry.data["sha256"] == made.sha256


@pytest.mark.parametrize(("how", "word"), [
    ("changed", "roles.json was changed"), ("removed", "roles.json is missing"),
    ("added", "more.json was added"), ("manifest", "signature does not fit"),
    ("signature", "signature does not fit"), ("key", "not known here"),
])
def test_every_change_of_a_bundle_is_told(
    app: App, made: evidence.Made, how: str, word: str
) -> None:
    files = contents(made.path)
    manifest = json.loads(files["manifest.json"])
    if how == "changed":
        files["roles.json"] = files["roles.json"].replace("false", "true", 1)
    elif how == "removed":
        del files["roles.json"]
    elif how == "added":
        files["more.json"] = "{}"
    elif how == "manifest":  # a change with its hash corrected too
        files["manifest.json"] = json.dumps({**manifest, "made_at": "2020-01-01"})
    elif how == "signature":
        del files["manifest.mac"]
    else:
        files["manifest.json"] = json.dumps({**manifest, "kid": "k9"})
    rewrite(made.path, files)
    assert any(word in p for p in evidence.verify(app, made.path).problems)


@pytest.mark.parametrize("body", [b"", b"no archive", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_bundle_is_refused_in_words(app: App, tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(body)
    with pytest.raises(Invalid, match=r"x\.zip is no evidence bundle"):
        evidence.verify(app, path)


def test_an_existing_bundle_is_never_written_over(app: App, made: evidence.Made) -> None:
    with pytest.raises(Invalid, match="cannot be written"):  # the clock stands still
        evidence.make(app, OPERATOR, made.path.parent)
    assert evidence.verify(app, made.path).problems == ()


def test_only_the_operator_makes_one(app: App, tmp_path: Path) -> None:
    with pytest.raises(Denied):
        evidence.make(app, Principal(kind="person", role=Role.ADMIN), tmp_path)
    assert list(tmp_path.glob("*.zip")) == []


@pytest.mark.parametrize(("inside", "result"), [
    ("", "passed"), ("<failure/>", "failed"), ("<error/>", "failed"), ("<skipped/>", "skipped"),
])
def test_a_control_is_as_good_as_the_worst_of_its_tests(
    tmp_path: Path, inside: str, result: str
) -> None:
    test = next(t for c in controls.table() if c.name == "L93" for t in c.tests)
    path = tmp_path / "junit.xml"
    path.write_text(JUNIT.format(test=test.partition("::")[2], inside=inside))
    outcomes = controls.outcomes_of(path)
    assert outcomes == {test: result}
    every = dict.fromkeys(next(c for c in controls.table() if c.name == "L93").tests, "passed")
    by_name = {c["name"]: c["result"] for c in controls.results({**every, **outcomes})}
    assert by_name["L93"] == result
    assert by_name["L1"] == "not run"
    assert by_name["L67"] == "no test, see why"
    assert controls.results(None)[0]["result"].startswith("unknown")


@pytest.mark.parametrize("text", ["{}", "<!DOCTYPE a><a/>"])
def test_another_file_than_junit_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "junit.xml"
    path.write_text(text)
    with pytest.raises(Invalid, match="no JUnit file"):
        controls.outcomes_of(path)
