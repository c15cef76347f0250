"""Consent: begun, bound, used once, finished, and every way in which it can go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from sqlmodel import select

from liftos_app.errors import Conflict, Denied, Fix, Invalid, LiftOSError, Missing, SignInAgain
from liftos_app.models import (
    AuditEntry,
    Membership,
    OAuthRequest,
    Organization,
    Role,
    SyncEvent,
)
from liftos_app.services import connections, demo, oauth
from liftos_app.services.context import Principal, open_context
from tests import connection_fixtures
from tests.conftest import Clock
from tests.connection_fixtures import CLIENT, Bench

bench, example = connection_fixtures.bench, connection_fixtures.example


def query_of(url: str) -> dict[str, str]:
    return {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}


def test_L49_a_consent_ends_with_sealed_tokens_and_known_accounts(bench: Bench) -> None:
    connection_id = bench.signed_in()
    assert bench.status(connection_id) == "selecting_accounts"
    with bench.read() as ctx:
        found = connections.accounts_of(ctx, connection_id)
        assert [(a.external_id, a.usable) for a in found if a.usable] == [
            ("a2", True), ("a1", True)
        ]
        assert connections.granted_scopes(ctx, connections.get(ctx, connection_id)) == (
            "read", "extra"
        )
    assert bench.world.count("token:authorization_code") == 1


def test_L44_L45_state_and_verifier_are_not_stored_in_clear(bench: Bench) -> None:
    connection_id = bench.draft()
    with bench.write() as ctx:
        begun = oauth.begin_in_full(ctx, connection_id, origin="")
    sent = query_of(begun.url)
    assert len(sent["state"]) >= 43
    assert sent["code_challenge_method"] == "S256"
    with bench.app.db.read() as session:
        row = session.exec(select(OAuthRequest)).one()
    assert sent["state"] not in repr(row)
    assert row.verifier_sealed.startswith("lv1.")
    assert (row.expires_at - row.created_at).total_seconds() == 600


def test_L45_a_state_works_once_and_is_gone_before_the_exchange(bench: Bench) -> None:
    connection_id = bench.draft()
    _, params = bench.consent(connection_id)
    bench.world.token_status = 500
    with pytest.raises(LiftOSError):
        bench.finish(params)
    with bench.app.db.read() as session:
        assert session.exec(select(OAuthRequest)).all() == []
    bench.world.token_status = 0
    with pytest.raises(oauth.StateUnknown):
        bench.finish(params)
    assert bench.world.count("token:authorization_code") == 1


def test_L45_a_state_of_eleven_minutes_is_too_old(bench: Bench, clock: Clock) -> None:
    _, params = bench.consent(bench.draft())
    clock.advance(minutes=11)
    with pytest.raises(oauth.StateUnknown) as caught:
        bench.finish(params)
    assert "ten minutes" in caught.value.why
    with bench.app.db.read() as session:
        assert session.exec(select(OAuthRequest)).all() == []


@pytest.mark.parametrize("state", ["", "x", "a" * 43, "a" * 5000])
def test_L11_L45_an_unknown_state_is_refused(bench: Bench, state: str) -> None:
    with pytest.raises(oauth.StateUnknown):
        bench.finish({"state": state, "code": "c"})


def test_L46_another_browser_session_cannot_finish_and_does_not_use_the_state_up(
    bench: Bench,
) -> None:
    connection_id = bench.draft()
    _, params = bench.consent(connection_id)
    with pytest.raises(oauth.OtherSession):
        bench.finish(params, replace(bench.who, session_id=uuid4()))
    assert bench.finish(params).connection_id == connection_id


def test_L46_another_person_cannot_finish_what_was_begun_over_rest(
    bench: Bench, make_principal: Callable[..., Principal], organization: Organization
) -> None:
    bench.who = replace(bench.who, session_id=None, kind="program")
    connection_id = bench.draft()
    _, params = bench.consent(connection_id)
    other = make_principal(Role.ADMIN, organization)
    with pytest.raises(oauth.OtherSession):
        bench.finish(params, other)
    in_browser = replace(bench.who, session_id=uuid4())
    assert bench.finish(params, in_browser).connection_id == connection_id


@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.ANALYST])
def test_L8_L46_who_lost_the_right_meanwhile_cannot_finish_from_another_organization(
    bench: Bench, role: Role | None
) -> None:
    """Begun as an administrator here; the token that comes back holds a role somewhere else."""
    bench.who = replace(bench.who, session_id=None, kind="program")
    connection_id = bench.draft()
    _, params = bench.consent(connection_id)
    with bench.app.db.write() as session:
        membership = session.get_one(Membership, (bench.org_id, bench.who.user_id))
        if role is None:
            session.delete(membership)
        else:
            membership.role = role
        session.add(Membership(
            org_id=bench.other_org, user_id=membership.user_id, role=Role.ADMIN,
            created_at=bench.app.now(),
        ))
    with pytest.raises(Denied):
        bench.finish(params, replace(bench.who, role=Role.ADMIN))  # the role in the other one
    assert bench.status(connection_id) == "authorising"
    assert bench.world.count("token:authorization_code") == 0


def test_L47_the_redirect_address_comes_from_settings_only(bench: Bench) -> None:
    connection_id = bench.draft()
    with bench.write() as ctx:
        begun = oauth.begin_in_full(ctx, connection_id, origin="https://evil.example")
        local = oauth.begin_in_full(ctx, connection_id, origin=ctx.settings.origins[1])
    assert begun.redirect_uri == f"{bench.app.settings.public_url}/oauth/callback/example"
    assert query_of(begun.url)["redirect_uri"] == begun.redirect_uri
    assert local.redirect_uri == f"{bench.app.settings.origins[1]}/oauth/callback/example"


def test_L47_the_platform_in_the_path_must_be_that_of_the_state(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from liftos_app.services.connectors import registry

    platforms = registry.all_platforms()
    second = replace(platforms[0], slug="second")
    monkeypatch.setattr(registry, "all_platforms", lambda: (*platforms, second))
    _, params = bench.consent(bench.draft())
    with pytest.raises(oauth.StateUnknown):
        oauth.finish(
            bench.app, "second", params, session_id=bench.who.session_id, who=bench.who
        )


def test_L48_a_refused_consent_says_so_and_the_draft_stays(bench: Bench) -> None:
    connection_id = bench.draft()
    begun, _ = bench.consent(connection_id)
    params = {
        "state": query_of(begun.url)["state"], "error": "access_denied",
        "error_description": "<script>alert(1)</script> no",
    }
    with bench.write() as ctx:  # a fresh state: the first one was answered by the page
        fresh = oauth.begin_in_full(ctx, connection_id, origin="")
    params["state"] = query_of(fresh.url)["state"]
    with pytest.raises(oauth.Refused) as caught:
        bench.finish(params)
    assert "<script>" not in caught.value.sentence()
    assert caught.value.fix
    assert bench.status(connection_id) == "draft"
    with bench.read() as ctx:
        kept = connections.get(ctx, connection_id)
        assert kept.options == {"client_id": CLIENT["client_id"]}
        lines = ctx.session.exec(select(SyncEvent).where(SyncEvent.level == "error")).all()
    assert len(lines) == 1


def test_a_wrong_app_secret_is_named(bench: Bench) -> None:
    connection_id = bench.draft()
    with bench.write() as ctx:
        connections.save_inputs(ctx, connection_id, {"client_secret": "wrong-secret"})
    _, params = bench.consent(connection_id)
    with pytest.raises(Fix) as caught:
        bench.finish(params)
    assert caught.value.facts["field"] == "client_secret"
    assert "wrong-secret" not in caught.value.sentence()


def test_a_code_that_was_used_asks_to_sign_in_again(bench: Bench) -> None:
    connection_id = bench.draft()
    _, params = bench.consent(connection_id)
    with pytest.raises(SignInAgain):
        bench.finish({**params, "code": "another"})
    assert bench.status(connection_id) == "draft"


def test_L49_a_missing_permission_is_named_and_the_connection_cannot_start(bench: Bench) -> None:
    bench.world.scopes = ["extra"]
    connection_id = bench.draft()
    _, params = bench.consent(connection_id)
    finished = bench.finish(params)
    assert finished.missing_scopes == ("read",)
    outcome = connections.after_sign_in(bench.app, bench.who, bench.org_id, connection_id)
    assert outcome.missing_scopes == ("read",)
    with bench.write() as ctx, pytest.raises(Conflict, match="read"):
        connections.start(ctx, connection_id)
    bench.world.scopes = ["read"]
    _, params = bench.consent(connection_id)
    bench.finish(params)
    again = connections.after_sign_in(bench.app, bench.who, bench.org_id, connection_id)
    assert again.missing_scopes == ()


def test_a_method_without_a_consent_page_cannot_begin_one(bench: Bench) -> None:
    connection_id = bench.draft("api_key")
    with bench.write() as ctx, pytest.raises(Conflict):
        oauth.begin(ctx, connection_id, origin="")


def test_a_consent_without_its_inputs_is_refused(bench: Bench) -> None:
    with bench.write() as ctx:
        row = connections.create_draft(ctx, "example", mode="live", method="oauth")
        with pytest.raises(Invalid):
            oauth.begin(ctx, row.id, origin="")


def test_a_viewer_and_another_organization_cannot_begin(
    bench: Bench, make_principal: Callable[..., Principal], organization: Organization
) -> None:
    connection_id = bench.draft()
    viewer = make_principal(Role.VIEWER, organization)
    with bench.write(viewer) as ctx, pytest.raises(Denied):
        oauth.begin(ctx, connection_id, origin="")
    with open_context(bench.app, bench.who, bench.other_org, write=True) as ctx, pytest.raises(
        Missing
    ):
        oauth.begin(ctx, connection_id, origin="")


def test_unfinished_consents_are_purged(bench: Bench, clock: Clock) -> None:
    bench.consent(bench.draft())
    assert oauth.purge(bench.app) == 0
    clock.advance(minutes=10)
    assert oauth.purge(bench.app) == 1


def test_L45_two_answers_at_once_finish_once(bench: Bench) -> None:
    import threading

    connection_id = bench.draft()
    _, params = bench.consent(connection_id)
    results: list[object] = []

    def work() -> None:
        try:
            results.append(bench.finish(params))
        except LiftOSError as error:
            results.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = [r for r in results if isinstance(r, oauth.Finished)]
    assert len(good) == 1
    assert all(isinstance(r, oauth.StateUnknown) for r in results if r not in good)


def test_begin_and_finish_are_audited_without_secrets(bench: Bench) -> None:
    connection_id = bench.draft()
    begun, params = bench.consent(connection_id)
    bench.finish(params)
    with bench.app.db.read() as session:
        entries = session.exec(select(AuditEntry)).all()
    actions = [e.action for e in entries]
    assert "oauth.begun" in actions
    assert "oauth.finished" in actions
    text = repr([e.model_dump() for e in entries])
    assert params["code"] not in text
    assert params["state"] not in text
    assert CLIENT["client_secret"] not in text
    assert begun.url not in text


def test_the_consent_page_is_never_left_for_a_foreign_host(bench: Bench) -> None:
    connection_id = bench.draft()
    with bench.write() as ctx:
        begun = oauth.begin_in_full(ctx, connection_id, origin="")
    with pytest.raises(LiftOSError):
        demo.walk_consent(
            begun.url, return_to="http://localhost:1/somewhere/else", reach="http://127.0.0.1:1"
        )


def test_L53_L55_L79_no_secret_reaches_the_database_the_logs_or_an_error(
    bench: Bench, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    import logging

    from liftos_app.db import metadata
    from liftos_app.services import links
    from liftos_app.services.logs import RedactionFilter

    caplog.set_level(logging.DEBUG)
    caplog.handler.addFilter(RedactionFilter())
    said: list[str] = []
    connection_id = bench.draft()
    begun, params = bench.consent(connection_id)
    bench.finish(params)
    connections.after_sign_in(bench.app, bench.who, bench.org_id, connection_id)
    for age in (2, 2):
        clock.advance(hours=age)
        try:
            with links.open_client(
                bench.app, bench.org_id, connection_id, purpose="test"
            ) as client:
                client.get("/accounts")
        except LiftOSError as error:
            said.append(repr((error.sentence(), error.facts)))
        bench.world.refresh = dict.fromkeys(bench.world.refresh, False)
    assert said
    _, second = bench.consent(connection_id)
    with pytest.raises(LiftOSError) as caught:
        bench.finish({**second, "code": "code_planted_canary"})
    said.append(repr((caught.value.sentence(), caught.value.facts)))
    with bench.app.db.read() as session:
        rows = "".join(
            repr(session.connection().execute(t.select()).all()) for t in metadata.sorted_tables
        )
    canaries = [
        *bench.world.access, *bench.world.refresh, CLIENT["client_secret"], params["code"],
        params["state"], query_of(begun.url)["state"], "code_planted_canary",
    ]
    everything = rows + caplog.text + "".join(said)
    assert [c for c in canaries if c in everything] == []
