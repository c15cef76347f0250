"""What the system holds: an agency's daily report of one ad account, and the trade program's deals.
Both are views of the one world.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from liftos_app.services.sandbox.call import Call

ACCOUNT = "3456789012"  # the agency reports what it bought on Google in the US
MICRO = Decimal(1_000_000)


def span(call: Call) -> tuple[date, date]:
    """The days asked for: from, to; the last 30 when the request names none. Raises ValueError."""
    today = call.now.date()
    start, end = call.query.get("from", ""), call.query.get("to", "")
    return (
        _day(start) if start else today - timedelta(days=30),
        _day(end) if end else today,
    )


def _day(text: str) -> date:
    if "." in text:
        return datetime.strptime(text, "%d.%m.%Y").date()  # noqa: DTZ007  (a day has no zone)
    return date.fromisoformat(text[:10])


def report(call: Call) -> list[dict[str, Any]]:
    """The report's rows, oldest day first; rows without delivery are not in it."""
    start, end = span(call)
    names = {c.id: c.name for c in call.world.campaigns(ACCOUNT, as_of=call.now)}
    days = call.world.ad_days(ACCOUNT, start, end, as_of=call.now, level="campaign")
    rows = [
        {
            "date": row.day.isoformat(), "campaign_id": row.campaign_id,
            "campaign_name": names.get(row.campaign_id, ""),
            "figures": {
                "cost": str(Decimal(row.spend) / MICRO), "impressions": row.impressions,
                "clicks": row.clicks, "conversions": float(Decimal(row.conversions) / 100),
                "value": str(Decimal(row.value) / MICRO),
            },
            "currency": "USD",
        }
        for row in days
    ]
    bent = call.bend("daily", rows, account="erp", day_of=lambda r: date.fromisoformat(r["date"]))
    return list(bent)


def revision(changed: datetime) -> int:
    """The number of a deal's last change. The system counts up to zero and on, beyond 2^53."""
    return (int(changed.timestamp()) // 60 - 29_920_000) * 3 * 10**12


def deals(
    call: Call, since: datetime | None, after: int | None = None
) -> list[dict[str, Any]]:
    """Deals in USD, by number: those that changed since a time, or with a revision above one."""
    found = call.world.crm_deals(as_of=call.now, updated=(since, None))
    stages = {s.id: s.name for s in call.world.crm_pipeline().stages}
    return [
        {
            "no": f"D{deal.id:06d}", "created": deal.created_at.isoformat(),
            "changed": deal.updated_at.isoformat(), "stage": stages[deal.stage_id],
            "amount": None if deal.amount is None else str(Decimal(deal.amount) / 100),
            "currency": deal.currency, "won": "ja" if deal.is_won else "nein",
            "rev": revision(deal.updated_at),
        }
        for deal in found
        if deal.currency == "USD" and deal.deleted_at is None
        and (after is None or revision(deal.updated_at) > after)
    ]
