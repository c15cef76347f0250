"""A plain paged platform for measuring: the local JSON API of api_server.py, nothing clever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from liftos_app.services.connectors.client import Client, Credential, Request
from liftos_app.services.connectors.rows import micros, whole
from liftos_app.services.connectors.spec import (
    AccountInfo,
    AuthMethod,
    Input,
    Lands,
    Page,
    Platform,
    Rejected,
    Row,
    Stream,
    Task,
    Window,
)

COLUMNS = frozenset(
    {
        "date",
        "campaign_id",
        "campaign_name",
        "impressions",
        "clicks",
        "spend",
        "conversions",
        "value",
    }
)


def to_row(record: Mapping[str, Any]) -> Row:
    """One source record as a row of connectors/rows.py. Raises ValueError and KeyError."""
    return {
        "entity_id": record["campaign_id"],
        "entity_name": record["campaign_name"],
        "day": record["date"],
        "impressions": whole(record["impressions"]),
        "clicks": whole(record["clicks"]),
        "spend_micros": micros(record["spend"]),
        "conversions_micros": whole(record["conversions"]) * 1_000_000,
        "value_micros": micros(record["value"]),
    }


def read_days(client: Client, task: Task) -> Iterator[Page]:
    """The rows of a span of days, page by page."""
    page: int | None = 0
    while page is not None:
        answer = client.get(
            "/rows",
            params={
                "start": task.start.isoformat(),
                "end": task.end.isoformat(),
                "page": page,
            },
        )
        rows, rejected, source = [], [], []
        for record in answer.data["data"]:
            try:
                rows.append(to_row(record))
                source.append(record)
            except (ValueError, KeyError) as error:
                rejected.append(Rejected(record, str(error), str(record.get("date", ""))))
        yield Page(
            rows,
            rejected,
            read_count=len(answer.data["data"]),
            columns=COLUMNS,
            bytes_read=answer.size,
            source=source,
        )
        page = answer.data["next"]


def discover(client: Client) -> Sequence[AccountInfo]:
    """The one account there is."""
    del client
    return [AccountInfo("bench-1", "Bench account", currency="USD")]


def sign(request: Request, credential: Credential) -> None:
    """The key as a bearer token."""
    request.headers["Authorization"] = f"Bearer {credential.text('api_key')}"


PLATFORM = Platform(
    slug="bench_ads",
    name="Bench Ads",
    category="Ads",
    tier=9,
    summary="For measuring",
    hosts={"api": "https://bench.invalid"},
    api_version="1",
    version_ends=None,
    auth=(
        AuthMethod(
            id="api_key",
            kind="key",
            title="Key",
            summary="",
            inputs=(Input(name="api_key", label="Key", help="", secret=True),),
        ),
    ),
    scopes=(),
    prerequisites=(),
    setup_minutes=(1, 1),
    needs_app=False,
    history="40 days",
    latency="none",
    role_needed="",
    docs_url="",
    requests_per_minute=1_000_000,
    concurrency=1,
    streams=(
        Stream(
            name="campaign_daily",
            title="Campaigns by day",
            grain="campaign x day",
            lands=Lands.FACTS,
            level=1,
            key=("campaign_id", "date"),
            read=read_days,
            window=Window(
                days_per_request=5,
                reread_days=28,
                latency_hours=0,
                settle_days=28,
                history_days=40,
            ),
        ),
    ),
    discover=discover,
    test=lambda client, account: "It answers.",
    fault=lambda status, headers, body: None,
    authorize=sign,
)
