"""Small hand-made data sets put straight into the tables: `facts.ads(account, day, spend="1.50")`.

The platforms here are specs made for tests, so that a number in a test never depends on a real
platform's latency or streams.
"""

from __future__ import annotations

import datetime as dt
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from liftos_app.models import (
    Account,
    Connection,
    ConnectionStatus,
    Coverage,
    CoverageState,
    Entity,
    FactDaily,
    FactExtra,
    MailFact,
    Order,
    Organization,
    Provenance,
    RateDay,
    Refund,
    RejectedRow,
    RunState,
    StreamRun,
    StreamState,
    SyncRun,
)
from liftos_app.models.facts import Level
from liftos_app.services.connectors import registry
from liftos_app.services.connectors.rows import ATTRIBUTION
from liftos_app.services.connectors.spec import Lands, Platform, Stream, Window
from liftos_app.services.context import App


def d(text: str) -> dt.date:
    """`11-19` or `2025-11-19`; the year is 2026 unless named."""
    return dt.date.fromisoformat(text if len(text) > 5 else f"2026-{text}")


def span(start: str, end: str) -> list[dt.date]:
    first, last = d(start), d(end)
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]


def micros(amount: str | None) -> int | None:
    return None if amount is None else int(Decimal(amount) * 1_000_000)


WINDOW = Window(
    days_per_request=30, reread_days=28, latency_hours=3, settle_days=3, history_days=1000
)


def _nothing(*_: Any) -> Any:
    """No network here."""
    return ()


def _stream(name: str, lands: Lands, level: int = 0, **more: Any) -> Stream:
    more.setdefault("window", WINDOW)
    return Stream(
        name=name, title=name, grain="x", lands=lands, level=level, key=("entity_id", "day"),
        read=_nothing, **more,
    )


def _platform(slug: str, name: str, category: Any, *streams: Stream) -> Platform:
    return Platform(
        slug=slug, name=name, category=category, tier=1, summary="", hosts={}, api_version="1",
        version_ends=None, auth=(), scopes=(), streams=streams, prerequisites=(),
        setup_minutes=(1, 2), needs_app=False, history="", latency="", role_needed="", docs_url="",
        requests_per_minute=60, discover=_nothing, test=_nothing, fault=_nothing,
        authorize=_nothing,
    )


PLATFORMS = (
    _platform(
        "ads_one", "Ads One", "Ads",
        _stream("campaign_daily", Lands.FACTS, Level.CAMPAIGN,
                required=("spend_micros", "impressions")),
        _stream("ad_group_daily", Lands.FACTS, Level.AD_GROUP, sums_to="campaign_daily",
                sums_except=("PERFORMANCE_MAX",)),
        _stream("ad_daily", Lands.FACTS, Level.AD, sums_to="campaign_daily"),
        _stream("campaigns", Lands.ENTITIES, Level.CAMPAIGN, window=None, required=("name",)),
    ),
    _platform("ads_two", "Ads Two", "Ads",
              _stream("campaign_daily", Lands.FACTS, Level.CAMPAIGN)),
    _platform("store_one", "Store One", "Store",
              _stream("orders", Lands.ORDERS, cursor="time", required=("currency",))),
    _platform("mail_one", "Mail One", "Mail",
              _stream("event_daily", Lands.FACTS, Level.MAIL_MESSAGE),
              _stream("campaign_report", Lands.MAIL, Level.MAIL_MESSAGE)),
)


class Facts:
    """Inserts rows for one organization. Amounts are texts in currency units."""

    def __init__(self, app: App, org: Organization) -> None:
        self.app, self.org = app, org
        self._entities: dict[tuple[int, str], int] = {}
        self._orders = 0

    def add(self, *rows: Any) -> Any:
        with self.app.db.write() as session:
            session.add_all(rows)
        return rows[0]

    def connection(
        self, platform: str, name: str = "", *, provenance: Provenance = Provenance.DEMO,
        status: ConnectionStatus = ConnectionStatus.HEALTHY, days_ago: int = 100,
        history_days: int = 90, streams: tuple[str, ...] = (), **more: Any,
    ) -> Connection:
        at = self.app.now() - timedelta(days=days_ago)
        spec = registry.get(platform)
        more.setdefault("last_success_at", self.app.now() - timedelta(hours=2))
        return self.add(Connection(
            org_id=self.org.id, platform=platform, name=name or spec.name, status=status,
            provenance=provenance, streams=list(streams or [s.name for s in spec.streams]),
            history_days=history_days, created_at=at, updated_at=at, **more,
        ))

    def account(
        self, connection: Connection, *, currency: str = "USD", zone: str = "UTC",
        external_id: str = "", selected: bool = True,
    ) -> Account:
        count = len(self._entities) + self._orders
        return self.add(Account(
            org_id=self.org.id, connection_id=connection.id,
            external_id=external_id or f"acc-{connection.id}-{count}",
            name=f"{connection.name} account", currency=currency, time_zone=zone,
            selected=selected, created_at=connection.created_at,
        ))

    def source(self, platform: str, **more: Any) -> Account:
        """A connection with one account; account options by name, the rest to the connection."""
        own = {k: more.pop(k) for k in ("currency", "zone", "external_id", "selected") if k in more}
        return self.account(self.connection(platform, **more), **own)

    def entity(
        self, account: Account, name: str, level: Level = Level.CAMPAIGN, *, parent: str = "",
        **more: Any,
    ) -> int:
        key = (account.key or 0, f"{level}:{name}")
        if key not in self._entities:
            row = self.add(Entity(
                org_id=self.org.id, account_key=account.key, level=level, external_id=name,
                parent_id=parent, name=more.pop("title", name.title()),
                first_seen_at=self.app.now(), updated_at=self.app.now(), **more,
            ))
            self._entities[key] = row.key
        return self._entities[key]

    def ads(
        self, account: Account, day: dt.date | str, *, campaign: str = "c1",
        spend: str | None = None, impressions: int | None = None, clicks: int | None = None,
        conversions: str | None = None, value: str | None = None, setting: str = "none",
        level: Level = Level.CAMPAIGN, parent: str = "",
    ) -> None:
        self.add(FactDaily(
            entity_key=self.entity(account, campaign, level, parent=parent),
            day=d(day) if isinstance(day, str) else day, setting=ATTRIBUTION[setting],
            org_id=self.org.id, account_key=account.key, level=int(level), impressions=impressions,
            clicks=clicks, spend_micros=micros(spend), conversions_micros=micros(conversions),
            value_micros=micros(value),
        ))

    def rare(
        self, account: Account, day: str, metric: str, value: str, *, campaign: str = "c1"
    ) -> None:
        """A rare metric of a campaign."""
        self.add(FactExtra(
            entity_key=self.entity(account, campaign), day=d(day), metric=metric,
            org_id=self.org.id, account_key=account.key, level=int(Level.CAMPAIGN),
            value=micros(value),
        ))

    def claim(self, account: Account, day: str, value: str, *, conversions: str = "1") -> None:
        """Mail revenue by day of the order."""
        self.ads(
            account, day, campaign="m1", level=Level.MAIL_MESSAGE, value=value,
            conversions=conversions, setting="klaviyo_event_date",
        )

    def mail(self, account: Account, day: str, **counts: int) -> None:
        self.add(MailFact(
            entity_key=self.entity(account, "m1", Level.MAIL_MESSAGE), day=d(day),
            org_id=self.org.id, account_key=account.key, **counts,
        ))

    def order(
        self, account: Account, day: str, *, goods: str, discount: str = "0", shipping: str = "0",
        tax: str = "0", index: int | None = 1, status: str = "PAID", test: bool = False,
        cancelled: bool = False, currency: str = "", customer: str = "",
    ) -> str:
        self._orders += 1
        noon = datetime.combine(d(day), time(12), tzinfo=ZoneInfo(account.time_zone))
        at = noon.astimezone(UTC)
        total = Decimal(goods) + Decimal(shipping) + Decimal(tax)
        external_id = f"o{self._orders}"
        self.add(Order(
            org_id=self.org.id, account_key=account.key, external_id=external_id, day=d(day),
            processed_at=at, updated_at=at, cancelled_at=at if cancelled else None, is_test=test,
            financial_status=status, currency=currency or account.currency,
            gross_micros=micros(str(total)), subtotal_micros=micros(goods),
            discount_micros=micros(discount), shipping_micros=micros(shipping),
            tax_micros=micros(tax), items=1, customer_order_index=index,
            customer_ref=customer or external_id,
        ))
        return external_id

    def refund(
        self, account: Account, day: str, amount: str, *, order: str, goods: str | None = ""
    ) -> None:
        self._orders += 1
        self.add(Refund(
            org_id=self.org.id, account_key=account.key, external_id=f"r{self._orders}",
            order_id=order, day=d(day), processed_at=self.app.now(), currency=account.currency,
            amount_micros=micros(amount), goods_micros=micros(amount if goods == "" else goods),
        ))

    def cover(
        self, account: Account, stream: str, start: str, end: str, *,
        state: CoverageState = CoverageState.COMPLETE, read_at: datetime | None = None,
        first_read_at: datetime | None = None, skip: tuple[str, ...] = (), hours: float = 4,
    ) -> None:
        """Coverage of a span of days, read some hours after each day's end unless told when."""
        skipped = {d(x) for x in skip}
        rows = []
        for day in span(start, end):
            if day in skipped:
                continue
            end_of_day = datetime.combine(
                day + timedelta(days=1), time(), tzinfo=ZoneInfo(account.time_zone)
            ).astimezone(UTC)
            at = read_at or end_of_day + timedelta(hours=hours)
            rows.append(Coverage(
                account_key=account.key, stream=stream, day=day, org_id=self.org.id, state=state,
                row_count=1, first_read_at=first_read_at or at, read_at=at,
            ))
        if rows:
            self.add(*rows)
        self.add(StreamState(
            org_id=self.org.id, account_key=account.key, stream=stream, newest_day=d(end),
            oldest_day=d(start),
        ))

    def rate(
        self, day: str, base: str, currency: str, rate: str, *, source: str = "ecb_sandbox"
    ) -> None:
        """`rate` of `base` for one unit of `currency`."""
        self.add(RateDay(
            org_id=self.org.id, base=base, currency=currency, day=d(day), rate=micros(rate),
            source=source,
        ))

    def run(
        self, connection_id: UUID, account: Account, stream: str, started: datetime, *,
        minutes: float = 5, state: RunState = RunState.SUCCEEDED,
        cause: dict[str, Any] | None = None,
        trigger: str = "schedule",
    ) -> SyncRun:
        run = self.add(SyncRun(
            org_id=self.org.id, connection_id=connection_id, state=state, trigger=trigger,
            created_at=started, started_at=started,
            finished_at=started + timedelta(minutes=minutes), cause=cause,
        ))
        self.add(StreamRun(
            org_id=self.org.id, run_id=run.id, account_key=account.key, stream=stream, state=state
        ))
        return run

    def rejected(self, run: SyncRun, account: Account, stream: str, day: str, reason: str) -> None:
        self.add(RejectedRow(
            org_id=self.org.id, run_id=run.id, account_key=account.key, stream=stream,
            day=d(day).isoformat(), reason=reason, record=f'{{"{day}": 1}}', at=self.app.now(),
        ))


@pytest.fixture(autouse=True)
def platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue holds the test platforms only."""
    monkeypatch.setattr(registry, "all_platforms", lambda: PLATFORMS)


@pytest.fixture
def facts(app: App, organization: Organization) -> Facts:
    return Facts(app, organization)
