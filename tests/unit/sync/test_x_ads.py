"""X Ads from the consent page to the stored figures, through the real engine and the sandbox."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import col, func, select

from liftos_app.errors import Fix
from liftos_app.models import (
    Account,
    Connection,
    Credential,
    Entity,
    FactDaily,
    OAuthRequest,
    Organization,
    Role,
    RunState,
)
from liftos_app.services import connections, consent, demo, oauth, sync, vault
from liftos_app.services.connectors.platforms.x_ads import jobs
from liftos_app.services.context import App, Principal, open_context
from liftos_app.services.sandbox import credentials
from liftos_app.services.sync.engine import SyncEngine
from tests.sandbox_server import RunningSandbox, running_sandbox

DAYS = 10
US = "18ce54d4x5t"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running_sandbox(plant=False) as box:
        yield box


@dataclass
class Seat:
    """A manager in front of the sandbox."""

    app: App
    who: Principal
    org_id: int
    box: RunningSandbox

    def draft(self, method: str = "oauth") -> UUID:
        values = credentials.DEMO["x_ads"][method]
        with open_context(self.app, self.who, self.org_id, write=True) as ctx:
            row = connections.create_draft(ctx, "x_ads", mode="demo", method=method)
            connections.save_inputs(ctx, row.id, values)
            return row.id

    def begin(self, connection_id: UUID) -> oauth.Begun:
        return consent.open_consent(
            self.app, self.who, self.org_id, connection_id, origin=self.app.settings.public_url
        )

    def walk(self, begun: oauth.Begun) -> dict[str, str]:
        return demo.walk_consent(
            begun.url, return_to=begun.redirect_uri, reach=self.box.origin
        )

    def finish(self, params: dict[str, str], who: Principal | None = None) -> oauth.Finished:
        who = who or self.who
        return oauth.finish(self.app, "x_ads", params, session_id=who.session_id, who=who)

    def requests(self) -> list[OAuthRequest]:
        with self.app.db.read() as session:
            return list(session.exec(select(OAuthRequest)).all())


@pytest.fixture
def seat(
    app: App, organization: Organization, make_principal: Callable[..., Principal],
    server: RunningSandbox,
) -> Seat:
    server.reset()
    app.settings = replace(
        app.settings, public_url=server.origin, platform_urls={"x_ads": server.platform("x_ads")}
    )
    who = replace(make_principal(Role.ADMIN, organization), session_id=uuid4())
    assert organization.id is not None
    return Seat(app, who, organization.id, server)


def test_signed_in_on_the_page_synced_and_synced_again(
    seat: Seat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "POLLS", (0.01,))
    connection_id = seat.draft()
    params = seat.walk(seat.begin(connection_id))
    assert set(params) == {"oauth_token", "oauth_verifier"}
    seat.finish(params)
    found = connections.after_sign_in(seat.app, seat.who, seat.org_id, connection_id)
    assert found.accounts == 2  # the closed one cannot be chosen
    with open_context(seat.app, seat.who, seat.org_id, write=True) as ctx:
        connections.select_accounts(ctx, connection_id, "all")
        connections.set_history(ctx, connection_id, DAYS)
        connections.choose_streams(ctx, connection_id, [
            "account", "funding_instruments", "campaigns", "line_items", "promoted_tweets",
            "campaign_daily", "line_item_daily", "promoted_tweet_daily",
        ])
        run_id = connections.start(ctx, connection_id).id
    engine = SyncEngine(seat.app)
    assert engine.run(run_id) is RunState.SUCCEEDED
    assert facts(seat) == truth(seat)
    assert entities(seat) > 0
    before = stamps(seat)
    with open_context(seat.app, seat.who, seat.org_id, write=True) as ctx:
        again = sync.request(ctx, connection_id, trigger="manual").id
    assert engine.run(again) is RunState.SUCCEEDED
    assert stamps(seat) == before


def facts(seat: Seat) -> dict[tuple[str, str, dt.date], tuple[int | None, ...]]:
    """Stored figures by account, entity and day."""
    with seat.app.db.read() as session:
        rows = session.exec(
            select(Account.external_id, Entity.external_id, FactDaily)
            .join(Entity, col(Entity.key) == col(FactDaily.entity_key))
            .join(Account, col(Account.key) == col(FactDaily.account_key))
            .where(col(FactDaily.org_id) == seat.org_id)
        ).all()
    return {
        (account, entity, fact.day): (
            fact.impressions, fact.clicks, fact.spend_micros, fact.conversions_micros,
            fact.value_micros,
        )
        for account, entity, fact in rows
    }


def truth(seat: Seat) -> dict[tuple[str, str, dt.date], tuple[int, ...]]:
    """The same from the world, on all three levels."""
    now, found = seat.app.now(), {}
    for account in seat.box.world.accounts("x_ads"):
        today = now.astimezone(ZoneInfo(account.zone)).date()
        start = today - dt.timedelta(days=DAYS)
        for row in seat.box.world.ad_days(account.id, start, today, as_of=now, level="ad"):
            bought = (row.counts["28d_click"] + row.counts["1d_view"]) * 1_000_000
            worth = row.values["28d_click"] + row.values["1d_view"]
            own = (row.impressions, row.clicks, row.spend, bought, worth)
            for ident in (row.campaign_id, row.group_id, row.ad_id):
                key = (account.id, ident, row.day)
                old = found.get(key, (0,) * 5)
                found[key] = tuple(a + b for a, b in zip(old, own, strict=True))
    return {k: v for k, v in found.items() if any(v)}


def stamps(seat: Seat) -> list[tuple[object, ...]]:
    with seat.app.db.read() as session:
        rows = session.exec(
            select(FactDaily).where(col(FactDaily.org_id) == seat.org_id)
        ).all()
    return sorted(tuple(str(v) for v in row.model_dump(exclude={"read_at"}).values())
                  for row in rows)


def entities(seat: Seat) -> int:
    with seat.app.db.read() as session:
        return session.exec(
            select(func.count()).select_from(Entity).where(
                col(Entity.org_id) == seat.org_id, col(Entity.name) != ""
            )
        ).one()


def test_the_request_tokens_secret_is_sealed_and_the_token_is_kept_as_a_hash(seat: Seat) -> None:
    begun = seat.begin(seat.draft())
    token = parse_qs(urlsplit(begun.url).query)["oauth_token"][0]
    assert urlsplit(begun.url).path.endswith("/oauth/authorize")
    (row,) = seat.requests()
    secret = seat.box.sandbox.memories["x_ads"]["requests"][token].secret
    assert token not in repr(row)
    assert secret not in repr(row)
    assert row.verifier_sealed.startswith("lv1.")
    assert row.session_id == seat.who.session_id


def test_another_browser_session_cannot_finish_and_does_not_use_the_token_up(seat: Seat) -> None:
    connection_id = seat.draft()
    params = seat.walk(seat.begin(connection_id))
    with pytest.raises(oauth.OtherSession):
        seat.finish(params, replace(seat.who, session_id=uuid4()))
    assert seat.finish(params).connection_id == connection_id
    with pytest.raises(oauth.StateUnknown):
        seat.finish(params)  # used


def test_a_request_token_of_somebody_else_cannot_be_slipped_in(seat: Seat) -> None:
    """Session fixation: the answer must name the very token this session asked for."""
    theirs = seat.walk(seat.begin(seat.draft()))
    with seat.app.db.write() as session:
        for row in session.exec(select(OAuthRequest)).all():
            session.delete(row)
    mine = seat.walk(seat.begin(seat.draft()))
    with pytest.raises(oauth.StateUnknown):
        seat.finish(theirs)
    with pytest.raises(oauth.StateUnknown):
        seat.finish({**theirs, "state": "a" * 40})
    seat.finish({**mine, "state": ""})


def test_a_refusal_on_the_page_leaves_a_draft(seat: Seat) -> None:
    connection_id = seat.draft()
    token = parse_qs(urlsplit(seat.begin(connection_id).url).query)["oauth_token"][0]
    with pytest.raises(oauth.Refused):
        seat.finish({"denied": token})
    assert seat.requests() == []
    with open_context(seat.app, seat.who, seat.org_id) as ctx:
        assert connections.get(ctx, connection_id).status == "draft"


def test_an_answer_without_a_verifier_is_refused(seat: Seat) -> None:
    token = parse_qs(urlsplit(seat.begin(seat.draft()).url).query)["oauth_token"][0]
    with pytest.raises(oauth.Refused):
        seat.finish({"oauth_token": token, "code": "never"})


def test_a_wrong_app_or_address_is_told_before_the_browser_leaves(seat: Seat) -> None:
    connection_id = seat.draft()
    seat.box.trouble.add("redirect_uri_mismatch", "x_ads", count=1)
    with pytest.raises(Fix) as caught:
        seat.begin(connection_id)
    assert caught.value.facts["field"] == "redirect_uri"
    with open_context(seat.app, seat.who, seat.org_id, write=True) as ctx:
        wrong = {"client_secret": "W" * 50}
        connections.save_inputs(ctx, connection_id, wrong)
    with pytest.raises(Fix) as caught:
        seat.begin(connection_id)
    assert caught.value.facts["field"] == "client_secret"
    assert seat.requests() == []


def test_four_pasted_keys_connect_at_once_and_a_wrong_one_leaves_nothing(seat: Seat) -> None:
    values = credentials.DEMO["x_ads"]["token"]
    with pytest.raises(Exception, match="no longer accepts our sign-in"):
        connections.create_connected(
            seat.app, seat.who, seat.org_id, "x_ads", method="token", mode="demo",
            inputs={**values, "access_token_secret": "W" * 45},
        )
    with seat.app.db.read() as session:
        assert session.exec(select(Connection)).all() == []
    done = connections.create_connected(
        seat.app, seat.who, seat.org_id, "x_ads", method="token", mode="demo", inputs=values,
    )
    assert done.accounts == 2


def test_disconnecting_takes_the_token_back_at_x(seat: Seat) -> None:
    connection_id = seat.draft()
    seat.finish(seat.walk(seat.begin(connection_id)))
    with open_context(seat.app, seat.who, seat.org_id) as ctx:
        secrets = vault.get_all(ctx, connections.get(ctx, connection_id))
        assert set(secrets) == {"client_secret", "access_token", "access_token_secret"}
    connections.disconnect(seat.app, seat.who, seat.org_id, connection_id)
    assert len(seat.box.sandbox.memories["x_ads"]["revoked"]) == 1
    with seat.app.db.read() as session:
        assert session.exec(select(Credential)).all() == []
