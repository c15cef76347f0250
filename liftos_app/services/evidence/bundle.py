"""The bundle: JSON files, a manifest with their hashes, and a MAC over the manifest.

Signed by the audit key (HMAC-SHA-256), so an installation that knows the master key can verify
it, and somebody without cannot make one. Its hash stands in the audit log as well.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func
from sqlalchemy import select as sql_select
from sqlmodel import Session, col, select

from liftos_app import __version__
from liftos_app.errors import Invalid
from liftos_app.models import AuditKey, DataKey, KeyCheck
from liftos_app.services import access, audit
from liftos_app.services.audit import state
from liftos_app.services.audit.verify import as_facts
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.evidence import components, controls

FORMAT: Final = "liftos-evidence-v1"
_MANIFEST: Final = "manifest.json"
_SIGNATURE: Final = "manifest.mac"
_MOST_BYTES: Final = 50 * 1024 * 1024
_NOTE: Final = (
    "This shows what software can show. It certifies nothing: that belongs to an organization and "
    "its auditor."
)


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle on disk; `failed` names the controls whose tests failed."""

    path: Path
    sha256: str
    audit_ok: bool
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found; `problems` is empty when the bundle is as it was made."""

    made_at: str
    problems: tuple[str, ...]


def make(app: App, who: Principal, folder: Path, *, junit: Path | None = None) -> Made:
    """Verify the audit log, write the bundle into `folder`, and record its hash."""
    outcomes = controls.outcomes_of(junit) if junit else None
    report = state.verify_and_note(app, who)
    table = controls.results(outcomes) if controls.there_is_a_table() else []
    now = app.now()
    with open_context(app, who, None, write=True) as ctx:
        ctx.require("installation.admin")
        files: dict[str, Any] = {
            "controls.json": {
                "test_run": junit.name if junit else None, "controls": table,
                "note": "" if table else "The sources are not here, so there is no table.",
            },
            "roles.json": _roles(),
            "keys.json": _keys(ctx.session, app),
            "audit.json": {"ok": report.ok, **as_facts(report),
                           "findings": [f.words for f in report.findings]},
            "dependency-floors.json": components.floors(),
            "sbom.cdx.json": components.sbom(now),
        }
        texts = {name: _json(value) for name, value in files.items()}
        manifest = _json({
            "format": FORMAT, "made_at": now.isoformat(), "version": __version__,
            "kid": app.vault.active_kid, "note": _NOTE,
            "files": {name: _sha256(text) for name, text in texts.items()},
        })
        path = folder / f"liftos-evidence-{now:%Y%m%dT%H%M%SZ}.zip"
        signature = _mac(app, manifest, app.vault.active_kid)
        digest = _write(path, {**texts, _MANIFEST: manifest, _SIGNATURE: signature})
        audit.record(ctx, "evidence.made", reason=path.name, sha256=digest)
    failed = tuple(c["name"] for c in table if c["result"] == "failed")
    return Made(path, digest, report.ok, failed)


def verify(app: App, path: Path) -> Verdict:
    """Whether a bundle is as an installation with this master key made it. Raises Invalid."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if sum(i.file_size for i in archive.infolist()) > _MOST_BYTES:
                raise Invalid(f"{path.name} is no evidence bundle.", why="It is too large.")
            files = {name: archive.read(name).decode() for name in names}
        manifest = json.loads(files[_MANIFEST])
        kid, listed = str(manifest["kid"]), dict(manifest["files"])
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise Invalid(f"{path.name} is no evidence bundle.", why=str(error),
                      fix="Give a file that liftos evidence make wrote.") from error
    problems = []
    if manifest.get("format") != FORMAT:
        problems.append(f"Its format is not {FORMAT}.")
    if len(names) != len(set(names)):
        problems.append("A file stands in it twice.")
    if not app.vault.knows_audit_key(kid):
        problems.append(f"It was signed by a key {kid!r} that is not known here.")
    elif not hmac.compare_digest(
        _mac(app, files[_MANIFEST], kid).encode(), files.get(_SIGNATURE, "").encode()
    ):
        problems.append("The signature does not fit the manifest.")
    for name in sorted({*listed, *files} - {_MANIFEST, _SIGNATURE}):
        if name not in files:
            problems.append(f"{name} is missing.")
        elif listed.get(name) != _sha256(files[name]):
            problems.append(f"{name} was changed." if name in listed else f"{name} was added.")
    return Verdict(str(manifest.get("made_at", "")), tuple(problems))


def _write(path: Path, texts: Mapping[str, str]) -> str:
    """Write a new archive; its SHA-256."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive:
            for name, text in texts.items():
                archive.writestr(name, text)
    except OSError as error:
        raise Invalid(
            f"{path.name} cannot be written.", why=f"{error.strerror}.",
            fix="Choose another folder with --out, and never an existing file.",
        ) from error
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _roles() -> dict[str, Any]:
    roles = [role.value for role in access.ORDER]
    return {
        "permissions": {
            name: {"words": words, **dict(zip(roles, holds, strict=True))}
            for name, words, holds in access.matrix()
        },
        "key_scopes": {name: sorted(held) for name, (_, held) in access.SCOPES.items()},
        "sensitive": dict(access.SENSITIVE),
    }


def _keys(session: Session, app: App) -> dict[str, Any]:
    """Names, counts and ages of keys; nothing that opens anything."""
    known = session.exec(select(KeyCheck.kid).order_by(KeyCheck.kid)).all()
    kept = session.exec(select(AuditKey.kid).distinct().order_by(AuditKey.kid)).all()
    group = (col(DataKey.kid), col(DataKey.scope_type), col(DataKey.state))
    rows = session.connection().execute(
        sql_select(*group, func.count(), func.min(col(DataKey.created_at)))
        .group_by(*group).order_by(*group)
    ).all()
    return {
        "master_keys": [
            {"kid": kid, "active": kid == app.vault.active_kid} for kid in known
        ],
        "audit_keys": list(kept),
        "data_keys": [
            {"kid": kid, "scope": scope, "state": key_state, "count": count,
             "oldest": str(oldest)}
            for kid, scope, key_state, count, oldest in rows
        ],
    }


def _json(value: Mapping[str, Any] | list[Any]) -> str:
    return json.dumps(value, indent=1, sort_keys=True, default=str, ensure_ascii=False) + "\n"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _mac(app: App, manifest: str, kid: str) -> str:
    return app.vault.audit_mac(f"{FORMAT}|{_sha256(manifest)}", kid)
