"""The audit log: appended with its act, gapless, chained, and every change is found and named."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import select

from liftos_app.config import parse_master_keys
from liftos_app.db import ReadOnly
from liftos_app.models import AuditCheckpoint, AuditEntry, AuditHead, Organization, Role
from liftos_app.services import audit
from liftos_app.services.audit import canonical, chain, checkpoints, opening, verify
from liftos_app.services.context import App, Context, job_principal, open_context
from liftos_app.services.vault import Vault

OpenCtx = Callable[..., AbstractContextManager[Context]]
Write = Callable[[int], None]
Tamper = Callable[..., None]
K2 = "k2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="


def entries(app: App) -> list[AuditEntry]:
    with app.db.read() as session:
        return list(session.exec(select(AuditEntry).order_by(AuditEntry.seq)).all())  # type: ignore[arg-type]


def codes(app: App) -> list[tuple[int, str]]:
    return [(f.seq, f.code) for f in verify.verify(app).findings]


def test_L85_every_entry_carries_the_hash_of_the_one_before(app: App, write_entries: Write) -> None:
    write_entries(4)
    rows = entries(app)
    assert [r.seq for r in rows] == [1, 2, 3, 4]
    before = canonical.GENESIS
    for row in rows:
        body = {name: getattr(row, name) for name in canonical.FIELDS}
        body["at"] = row.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        # the standard library's JSON is canonical too for what `clean` lets through
        text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert row.prev_hash == before
        assert row.hash == hashlib.sha256(bytes.fromhex(before) + text.encode()).hexdigest()
        before = row.hash
    assert verify.verify(app).ok
    assert verify.verify(app).rows == 4


def test_an_object_that_is_not_stored_yet_has_no_id_in_its_entry(
    app: App, open_ctx: OpenCtx
) -> None:
    with open_ctx(write=True) as ctx:
        audit.record(ctx, "test.act", Organization(name="Larkspur"))
    assert (entries(app)[0].object_type, entries(app)[0].object_id) == ("organization", "")


def test_L85_the_mac_needs_the_key_and_names_it(app: App, write_entries: Write) -> None:
    write_entries(1)
    row = entries(app)[0]
    assert (row.mac_kid, row.mac) == ("k1", app.vault.audit_mac(row.hash))
    assert Vault(parse_master_keys(K2)).audit_mac(row.hash) != row.mac


def test_L85_rows_stay_checkable_after_their_master_key_left(
    app: App, open_ctx: OpenCtx, write_entries: Write
) -> None:
    write_entries(1)
    both = Vault((*parse_master_keys(K2), *app.settings.master_keys))
    with app.db.write() as session:
        both.boot_check(session)
    alone = Vault(parse_master_keys(K2))
    with app.db.write() as session:
        alone.boot_check(session)
    app.vault = alone
    write_entries(1)
    assert [r.mac_kid for r in entries(app)] == ["k1", "k2"]
    assert verify.verify(app).ok


def test_L86_an_act_that_rolls_back_leaves_no_entry_and_no_gap(
    app: App, open_ctx: OpenCtx, write_entries: Write
) -> None:
    with pytest.raises(RuntimeError), open_ctx(write=True) as ctx:
        audit.record(ctx, "test.lost")
        raise RuntimeError
    write_entries(2)
    assert [(r.seq, r.action) for r in entries(app)] == [(1, "test.act"), (2, "test.act")]


def test_L86_an_entry_that_cannot_be_written_fails_its_act(
    app: App, open_ctx: OpenCtx, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(chain, "move_head", broken)
    with pytest.raises(OSError, match="no space"), open_ctx(write=True) as ctx:
        ctx.session.get_one(Organization, organization.id).name = "Renamed"
        audit.record(ctx, "organization.changed")
    with app.db.read() as session:
        assert session.get_one(Organization, organization.id).name == "Larkspur Home"
    assert entries(app) == []


def test_L86_what_was_recorded_in_a_savepoint_goes_with_it(app: App, open_ctx: OpenCtx) -> None:
    with open_ctx(write=True) as ctx:
        audit.record(ctx, "test.outer")
        with pytest.raises(ValueError, match="inner"), ctx.session.begin_nested():
            with ctx.session.begin_nested():
                audit.record(ctx, "test.innermost")
            audit.record(ctx, "test.inner")
            raise ValueError("inner")
        with ctx.session.begin_nested():
            audit.record(ctx, "test.kept")
    assert [r.action for r in entries(app)] == ["test.outer", "test.kept"]
    assert verify.verify(app).ok


def test_a_reading_context_cannot_record(open_ctx: OpenCtx) -> None:
    with open_ctx() as ctx, pytest.raises(ReadOnly):
        audit.record(ctx, "test.act")


def test_L86_appends_from_many_threads_stay_gapless(app: App, organization: Organization) -> None:
    def work() -> None:
        for _ in range(10):
            with open_context(app, job_principal("t"), organization.id, write=True) as ctx:
                audit.record(ctx, "test.act")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [r.seq for r in entries(app)] == list(range(1, 41))
    assert verify.verify(app).ok


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (2**53, "9007199254740992"), (5.0, 5), (0.25, 0.25), (1e-7, "1e-07"), (float("nan"), "nan"),
        ("a\x00b", "a�b"), ("\ud800", "?"), ({1: {2}}, {"1": [2]}), (None, None), (True, True),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
    ],
)
def test_whatever_comes_in_has_one_canonical_text(
    app: App, open_ctx: OpenCtx, value: object, stored: object
) -> None:
    with open_ctx(write=True) as ctx:
        audit.record(ctx, "test.act", value=value)
    assert entries(app)[0].data == {"value": stored}
    assert verify.verify(app).ok


# -- somebody writes the database ----------------------------------------------------------------


@pytest.mark.parametrize("column", [
    "action", "actor_id", "actor_type", "object_id", "object_type", "result", "reason", "ip",
    "request_id", "session_ref",
])
def test_L89_a_changed_row_is_named(
    app: App, write_entries: Write, tamper: Tamper, column: str
) -> None:
    write_entries(3)
    tamper(f"UPDATE audit_entry SET {column} = 'other' WHERE seq = 2")  # noqa: S608
    assert codes(app) == [(2, "changed")]


@pytest.mark.parametrize("change", [
    "at = '2026-11-23 12:00:00.000001+00:00'", "org_id = NULL", "data = '{}'",
])
def test_L89_other_columns_too(
    app: App, write_entries: Write, tamper: Tamper, change: str
) -> None:
    write_entries(3)
    tamper(f"UPDATE audit_entry SET {change} WHERE seq = 2")  # noqa: S608
    assert codes(app)[0] == (2, "changed")


def test_L89_a_removed_row_is_named(app: App, write_entries: Write, tamper: Tamper) -> None:
    write_entries(5)
    tamper("DELETE FROM audit_entry WHERE seq IN (2, 3)")
    report = verify.verify(app)
    assert (report.first_bad, report.findings[0].code) == (2, "removed")
    assert "rows 2 to 3" in report.findings[0].words


def test_L89_a_removed_and_closed_gap_is_named(
    app: App, write_entries: Write, tamper: Tamper
) -> None:
    write_entries(4)
    tamper("DELETE FROM audit_entry WHERE seq = 2")
    tamper("UPDATE audit_entry SET seq = 2 WHERE seq = 3")
    tamper("UPDATE audit_entry SET seq = 3 WHERE seq = 4")
    assert verify.verify(app).first_bad == 2
    assert {c for s, c in codes(app) if s == 2} == {"moved", "changed"}


def test_L89_reordered_rows_are_named(app: App, write_entries: Write, tamper: Tamper) -> None:
    write_entries(4)
    for one, other in ((2, -2), (3, 2), (-2, 3)):
        tamper("UPDATE audit_entry SET seq = :other WHERE seq = :one", one=one, other=other)
    assert codes(app)[0] == (2, "moved")


def test_L89_an_inserted_row_with_right_hashes_lacks_the_mac(
    app: App, write_entries: Write, tamper: Tamper, organization: Organization
) -> None:
    write_entries(3)
    stranger = Vault(parse_master_keys(K2.replace("k2", "k1")))  # the name is right, the key not
    last = entries(app)[-1]
    fields = {name: getattr(last, name) for name in canonical.FIELDS}
    forged = chain.seal(stranger, 4, last.hash, fields)
    with app.db.write() as session:
        session.add(AuditEntry(**forged))
        head = session.get_one(AuditHead, 1)
        head.seq, head.hash = 4, forged["hash"]
    assert codes(app) == [(4, "mac")]


def test_L89_a_row_behind_the_head_and_a_row_without_a_hash_are_named(
    app: App, write_entries: Write, tamper: Tamper
) -> None:
    write_entries(2)
    with app.db.write() as session:
        session.add(AuditEntry(seq=3, at=app.now(), actor_type="nobody", action="test.forged"))
    assert codes(app)[0] == (3, "unsealed")


def test_L89_a_mac_of_an_unknown_key_is_named(
    app: App, write_entries: Write, tamper: Tamper
) -> None:
    write_entries(2)
    tamper("UPDATE audit_entry SET mac_kid = 'k9' WHERE seq = 1")
    assert codes(app) == [(1, "mac")]


def test_L89_a_cut_tail_is_named(app: App, write_entries: Write, tamper: Tamper) -> None:
    write_entries(4)
    tamper("DELETE FROM audit_entry WHERE seq > 2")
    assert codes(app) == [(3, "cut")]


# -- checkpoints ---------------------------------------------------------------------------------


def _cut(app: App, tamper: Tamper, after: int) -> None:
    """Cut the tail with everything in the database that tells of it."""
    row = entries(app)[after - 1]
    tamper("DELETE FROM audit_entry WHERE seq > :n", n=after)
    tamper("DELETE FROM audit_checkpoint WHERE seq > :n", n=after)
    tamper("UPDATE audit_head SET seq = :n, hash = :h", n=after, h=row.hash)


def test_L88_L89_a_tail_cut_with_its_checkpoints_is_told_by_the_file(
    app: App, write_entries: Write, tamper: Tamper
) -> None:
    write_entries(3)
    checkpoints.make(app)
    write_entries(2)
    checkpoints.make(app)
    assert verify.verify(app).ok
    _cut(app, tamper, 3)
    assert codes(app) == [(4, "cut")]


def test_L88_L89_a_log_put_back_and_written_on_is_told_by_the_file(
    app: App, write_entries: Write, tamper: Tamper
) -> None:
    write_entries(3)
    checkpoints.make(app)
    write_entries(2)
    checkpoints.make(app)
    _cut(app, tamper, 3)
    write_entries(4)  # LiftOS itself goes on from the older state: hashes and MACs are right
    assert codes(app) == [(5, "replaced")]


def test_L88_a_replaced_or_removed_file_is_named(app: App, write_entries: Write) -> None:
    write_entries(2)
    checkpoints.make(app)
    path = checkpoints.path_of(app.settings)
    text = path.read_text()
    path.write_text(text.replace(entries(app)[1].hash, "0" * 64))
    assert codes(app) == [(1, "replaced")]
    path.unlink()
    assert codes(app) == [(0, "file")]
    checkpoints.publish(app)
    assert path.read_text() == text
    assert verify.verify(app).ok


def test_L88_a_changed_checkpoint_is_named(
    app: App, write_entries: Write, tamper: Tamper
) -> None:
    write_entries(2)
    checkpoints.make(app)
    tamper("UPDATE audit_checkpoint SET root = :r", r="0" * 64)
    assert (1, "checkpoint") in codes(app)


def test_L88_every_hour_or_thousand_rows(
    app: App, write_entries: Write, clock: Callable[[], datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "MOST_ROWS", 4)
    write_entries(3)
    assert checkpoints.due(app) == 0
    write_entries(6)
    assert checkpoints.due(app) == 2  # 1-4 and 5-8; the ninth waits for company or for an hour
    clock.advance(minutes=59)  # type: ignore[attr-defined]
    assert checkpoints.due(app) == 0
    clock.advance(minutes=1)  # type: ignore[attr-defined]
    assert checkpoints.due(app) == 1
    clock.advance(hours=5)  # type: ignore[attr-defined]
    assert checkpoints.due(app) == 0  # nothing new: nothing to close
    with app.db.read() as session:
        points = session.exec(select(AuditCheckpoint)).all()
        assert sorted((p.first_seq, p.seq) for p in points) == [(1, 4), (5, 8), (9, 9)]
    assert [k.seq for k in checkpoints.read_file(app.settings)] == [4, 8, 9]
    assert verify.verify(app).ok


def test_L88_the_root_is_the_merkle_tree_of_rfc_6962() -> None:
    def tree(leaves: list[bytes]) -> bytes:  # section 2.1 as it is written
        if len(leaves) == 1:
            return hashlib.sha256(b"\x00" + leaves[0]).digest()
        k = 1
        while k * 2 < len(leaves):
            k *= 2
        return hashlib.sha256(b"\x01" + tree(leaves[:k]) + tree(leaves[k:])).digest()

    for many in range(1, 40):
        leaves = [bytes([n]) * 32 for n in range(many)]
        assert canonical.merkle_root(leaves) == tree(leaves).hex()
    # published vectors: the empty tree, and one empty leaf
    assert canonical.merkle_root([]).startswith("e3b0c44298fc1c14")
    assert canonical.merkle_root([b""]).startswith("6e340b9cffb37a98")


def test_L90_segments_dropped_by_age_leave_a_chain_that_verifies(
    app: App, open_ctx: OpenCtx, write_entries: Write, clock: Callable[[], datetime]
) -> None:
    write_entries(3)
    checkpoints.make(app)
    clock.advance(days=10)  # type: ignore[attr-defined]
    write_entries(2)
    checkpoints.make(app)
    with open_ctx(Role.MANAGER, write=True) as ctx:
        assert checkpoints.drop_before(ctx, app.now() - timedelta(days=5)) == 3
    assert [r.seq for r in entries(app)] == [4, 5, 6]
    assert verify.verify(app).ok


# -- rows of an older LiftOS ---------------------------------------------------------------------


def _old_rows(app: App, organization: Organization) -> None:
    with app.db.write() as session:
        for number in (1, 2, 3):
            session.add(AuditEntry(seq=number, at=app.now(), org_id=organization.id,
                                   actor_type="person", action="test.old"))


def test_rows_of_an_older_version_are_chained_once(
    app: App, organization: Organization, write_entries: Write
) -> None:
    _old_rows(app, organization)
    assert opening.prepare(app) == 3
    write_entries(1)
    assert opening.prepare(app) == 0
    assert [r.action for r in entries(app)] == ["test.old"] * 3 + ["test.act"]
    assert verify.verify(app).ok


def test_emptied_hashes_are_not_sealed_again_when_anything_tells_of_a_chain(
    app: App, organization: Organization, write_entries: Write, tamper: Tamper
) -> None:
    write_entries(3)
    checkpoints.make(app)
    tamper("DELETE FROM audit_head")
    tamper("DELETE FROM audit_checkpoint")
    tamper("UPDATE audit_entry SET hash = '', prev_hash = '', action = 'test.harmless'")
    assert opening.prepare(app) == 0
    assert not verify.verify(app).ok
