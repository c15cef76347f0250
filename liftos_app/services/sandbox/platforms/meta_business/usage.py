"""The hourly call budget of an ad account and the headers that announce it."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from threading import Lock

HOUR = 3600
BASE = {"ads_insights": 600, "ads_management": 300, "app": 20_000}
PER_ACTIVE_AD = {"ads_insights": 400, "ads_management": 40, "app": 0}
TIER = "standard_access"
DAY = 24 * HOUR
REACH = frozenset({"reach", "frequency", "cpp", "unique_clicks", "cost_per_unique_click"})
REACH_REPORTS = 10  # reports with old reach and a breakdown, an account and day


@dataclass(slots=True)
class Usage:
    """Calls of the last hour, by account and use case. Times in Unix seconds."""

    calls: dict[tuple[str, str], deque[float]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def note(self, account_id: str, use_case: str, now: float) -> None:
        """Count one call."""
        with self.lock:
            calls = self.calls.setdefault((account_id, use_case), deque())
            calls.append(now)
            while calls[0] <= now - HOUR:
                calls.popleft()

    def reach_reports(self, account_id: str, now: float) -> int:
        """Count one report with reach and a breakdown; how many there were in 24 hours."""
        with self.lock:
            times = self.calls.setdefault((account_id, "reach"), deque())
            times.append(now)
            while times[0] <= now - DAY:
                times.popleft()
            return len(times)

    def percent(self, account_id: str, use_case: str, active_ads: int) -> int:
        """Share of the hourly budget used, 0 to 100 and beyond; active_ads of the account."""
        budget = BASE[use_case] + PER_ACTIVE_AD[use_case] * active_ads
        return len(self.calls.get((account_id, use_case), ())) * 100 // budget

    def minutes_left(self, account_id: str, use_case: str, now: float) -> int:
        """Minutes until the oldest call of the hour falls out of it."""
        calls = self.calls.get((account_id, use_case))
        if not calls:
            return HOUR // 60
        return max(1, int(calls[0] + HOUR - now + 59) // 60)


def headers(
    *, account_id: str, business_id: str, use_case: str, percent: int, minutes: int
) -> dict[str, str]:
    """The usage headers of one ads call. Percentages are whole; waiting time is in minutes."""
    shown = min(percent, 100)
    wait = minutes if percent >= 100 else 0
    case = {
        "type": use_case,
        "call_count": shown,
        "total_cputime": shown // 2,
        "total_time": shown // 2,
        "estimated_time_to_regain_access": wait,
        "ads_api_access_tier": TIER,
    }
    account = {
        "acc_id_util_pct": shown,
        "reset_time_duration": wait * 60,
        "ads_api_access_tier": TIER,
    }
    found = {
        "x-business-use-case-usage": json.dumps({business_id or account_id: [case]}),
        "x-ad-account-usage": json.dumps(account),
    }
    if use_case == "ads_insights":
        found["x-fb-ads-insights-throttle"] = json.dumps(
            {"app_id_util_pct": shown / 10, "acc_id_util_pct": shown, "ads_api_access_tier": TIER}
        )
    return found


def reach_headers(used: int) -> dict[str, str]:
    """How much of the day's reports with reach and a breakdown is used."""
    share = min(100, used * 100 // REACH_REPORTS)
    text = json.dumps({"app_id_util_pct": share, "acc_id_util_pct": share})
    return {"x-fb-ads-insights-reach-throttle": text}


def app_headers(percent: int) -> dict[str, str]:
    """Usage of the app as a whole, on every call."""
    shown = min(100, percent)
    return {
        "x-app-usage": json.dumps(
            {"call_count": shown, "total_time": shown, "total_cputime": shown // 2}
        )
    }
