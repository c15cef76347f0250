"""Faults on demand and the trouble planted in demo data.

Wire faults (`WIRE`) are served by the dispatcher before or after the platform's handler; row faults
(`ROWS`) bend the rows a handler found. Each fault has a count or stays until it is cleared.
`STATES` change how an account stands for as long as they are there.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

WIRE: Final[Mapping[str, str]] = {
    "token_expired": "the access token is too old",
    "token_revoked": "the person took the access back",
    "missing_scope": "a permission was not granted",
    "rate_limited": "429 with the waiting time named",
    "rate_limited_silent": "429 without a waiting time",
    "quota_exhausted": "the day's quota is used up",
    "server_error": "the platform answers 503",
    "slow": "the answer comes late",
    "cut": "the connection breaks in the middle of the body",
    "login_page": "a login page with status 200 instead of data",
    "not_json": "status 200 and a body that is not JSON",
    "redirect_uri_mismatch": "the consent page refuses the redirect address",
}
ROWS: Final[Mapping[str, str]] = {
    "truncated_page": "the second half of the rows is missing without a sign",
    "duplicated_rows": "one row arrives twice",
    "missing_day": "a day has no rows",
    "changed_column": "a column gets another name",  # late: the others find a row's day by name
    "added_column": "an unknown column appears",
    "currency_change": "the account's currency changes",
}
STATES: Final[Mapping[str, str]] = {
    "account_disabled": "an account is closed or suspended (detail status cancelled, disabled)",
    "account_gone": "an account is gone, or the sign-in has lost its role on it",
}
KINDS: Final[Mapping[str, str]] = {**WIRE, **ROWS, **STATES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of trouble aimed at a platform ("*" all), an account and a stream ("" any).

    "daily" also means the parts of that stream: "daily.ad".
    """

    kind: str
    platform: str = "*"
    account: str = ""
    stream: str = ""
    count: int | None = 1  # answers it spoils; None until cleared
    retry_after: int = 0  # seconds, rate limits
    seconds: float = 2.0  # slow answers
    status: int = 503  # server errors
    detail: Mapping[str, str] = field(default_factory=dict)  # column, to, day, currency, scope...
    planted: bool = False
    id: str = ""

    def aims_at(self, platform: str, account: str, stream: str) -> bool:
        """Whether it meets this platform, account and stream."""
        return (
            self.platform in {"*", platform}
            and self.account in {"", account}
            and (self.stream in {"", stream} or stream.startswith(f"{self.stream}."))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One piece of trouble that demo data holds, for a page and for people."""

    kind: str
    platform: str
    account: str
    stream: str
    day: date | None
    words: str
    trigger: bool = False  # waits until somebody sets it off


def planted(anchor: date) -> tuple[Plant, ...]:
    """What is planted where in a demo whose first day was `anchor`.

    The missing day and the duplicate lie in the last 30 settled days of a first sync. Both leave
    sums exact: the missing day lacks the rows of ads, whose campaigns are all there, and a
    duplicate has the same key as its twin.
    """
    return (
        Plant(
            kind="missing_day",
            platform="google_ads",
            account="4567890123",
            stream="daily.ad",
            day=anchor - timedelta(days=44),
            words="Google Ads Larkspur EU answers no rows of ads for this day, while its campaigns "
            "show delivery. Data quality tells which.",
        ),
        Plant(
            kind="duplicated_rows",
            platform="meta_business",
            account="1024500000000001",
            stream="insights",
            day=anchor - timedelta(days=37),
            words="Meta Larkspur US sends the first row of this day twice.",
        ),
        Plant(
            kind="currency_trap",
            platform="*",
            account="",
            stream="",
            day=None,
            words="EU accounts report in EUR, the shop in USD with orders shown in EUR, and one "
            "disabled Meta account in JPY, which has no cents: adding them without rates is wrong.",
        ),
        Plant(
            kind="token_expired",
            platform="meta_business",
            account="",
            stream="",
            day=None,
            trigger=True,
            words="The Meta token can be expired now; signing in again mends it.",
        ),
        Plant(
            kind="token_revoked",
            platform="klaviyo",
            account="",
            stream="",
            day=None,
            trigger=True,
            words="The Klaviyo key can be revoked now; the spare key, or restoring it, mends it.",
        ),
    )


class Trouble:
    """The faults in force. Safe to use from several threads.

    `changed` is called after each change, so that a state file can follow.
    """

    def __init__(
        self,
        faults: Sequence[Fault] = (),
        *,
        anchor: date | None = None,
        changed: Callable[[], None] | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._changed = changed or (lambda: None)
        self.anchor = anchor
        if anchor is not None:
            self._faults += [
                Fault(
                    kind=p.kind,
                    platform=p.platform,
                    account=p.account,
                    stream=p.stream,
                    count=None,
                    detail={"day": p.day.isoformat()},
                    planted=True,
                    id=f"planted-{p.kind}",
                )
                for p in planted(anchor)
                if p.day is not None
            ]
        for fault in faults:
            self._faults.append(fault if fault.id else replace(fault, id=secrets.token_hex(4)))

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call this after each change."""
        self._changed = changed

    def add(self, kind: str, platform: str = "*", **aim: Any) -> Fault:
        """Add a fault: `trouble.add("rate_limited", "klaviyo", count=2, retry_after=3)`.

        Raises ValueError on an unknown kind.
        """
        if kind not in KINDS:
            raise ValueError(f"There is no trouble called {kind}. Known: {', '.join(KINDS)}.")
        fault = Fault(kind=kind, platform=platform, id=secrets.token_hex(4), **aim)
        with self._lock:
            self._faults.append(fault)
        self._changed()
        return fault

    def clear(self, fault_id: str = "", *, platform: str = "", planted_too: bool = False) -> int:
        """Remove one fault, those of a platform, or all; planted ones stay unless asked."""

        def goes(fault: Fault) -> bool:
            if fault_id:
                return fault.id == fault_id
            return (not platform or fault.platform in {"*", platform}) and (
                planted_too or not fault.planted
            )

        with self._lock:
            before = len(self._faults)
            self._faults = [f for f in self._faults if not goes(f)]
            gone = before - len(self._faults)
        self._changed()
        return gone

    def list_all(self) -> tuple[Fault, ...]:
        """Every fault in force, planted ones included."""
        with self._lock:
            return tuple(self._faults)

    def take(
        self,
        kinds: Sequence[str],
        platform: str,
        *,
        account: str = "",
        stream: str = "",
    ) -> Fault | None:
        """The first fault of these kinds that meets the aim; one is counted off."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.kind in kinds and fault.aims_at(platform, account, stream):
                    if fault.count is None:
                        return fault
                    if fault.count <= 1:
                        del self._faults[index]
                    else:
                        self._faults[index] = replace(fault, count=fault.count - 1)
                    break
            else:
                return None
        self._changed()
        return fault

    def currency(self, platform: str, account: str, currency: str) -> str:
        """The currency to show for an account: its own, or that of a currency change."""
        fault = self.take(("currency_change",), platform, account=account)
        return fault.detail.get("currency", "CAD") if fault else currency

    def stands(self, platform: str, account: str) -> tuple[bool, str]:
        """Whether an account is still there, and the status it has now; "" for its own."""
        gone = self._aimed("account_gone", platform, account, "")
        told = self._aimed("account_disabled", platform, account, "")
        return not gone, told[-1].detail.get("status", "cancelled") if told else ""

    def is_day_missing(self, platform: str, account: str, stream: str, day: date) -> bool:
        """Whether rows of this day are withheld. Counts nothing off; for tests' expected sums."""
        text = day.isoformat()
        return any(
            f.kind == "missing_day"
            and f.detail.get("day") == text
            and f.aims_at(platform, account, stream)
            for f in self.list_all()
        )

    def bend(
        self,
        platform: str,
        stream: str,
        rows: Sequence[dict[str, Any]],
        *,
        account: str = "",
        day_of: Callable[[dict[str, Any]], date | None] | None = None,
        now: datetime | None = None,  # noqa: ARG002 - kept for faults that depend on time
    ) -> list[dict[str, Any]]:
        """Rows after every row fault aimed here, in the order of `ROWS`."""
        kept = list(rows)
        for kind in ROWS:
            if kind == "currency_change" or not kept:
                continue
            for fault in self._aimed(kind, platform, account, stream):
                bent = _bend(fault, kept, day_of)
                if bent is not kept:
                    kept = bent
                    self._count_off(fault)
        return kept

    def _aimed(self, kind: str, platform: str, account: str, stream: str) -> list[Fault]:
        return [
            f for f in self.list_all() if f.kind == kind and f.aims_at(platform, account, stream)
        ]

    def _count_off(self, fault: Fault) -> None:
        if fault.count is None:
            return
        with self._lock:
            for index, one in enumerate(self._faults):
                if one.id == fault.id:
                    if (one.count or 1) <= 1:
                        del self._faults[index]
                    else:
                        self._faults[index] = replace(one, count=(one.count or 1) - 1)
                    break
        self._changed()

    def dump(self) -> list[dict[str, Any]]:
        """Faults for a state file or an answer; planted ones are left out."""
        return [asdict(f) for f in self.list_all() if not f.planted]


def _bend(
    fault: Fault,
    rows: list[dict[str, Any]],
    day_of: Callable[[dict[str, Any]], date | None] | None,
) -> list[dict[str, Any]]:
    """The same list object means: nothing to bend here."""
    detail = fault.detail
    if fault.kind == "truncated_page":
        return rows[: len(rows) // 2]
    if fault.kind == "changed_column":
        return _rename(rows, detail.get("column", ""), detail.get("to", ""))
    if fault.kind == "added_column":
        name = detail.get("column", "beta_metric_2027")
        return [{**row, name: detail.get("value", "1")} for row in rows]
    text = detail.get("day", "")
    if fault.kind == "missing_day":
        return _without_day(rows, text, day_of)
    for index, row in enumerate(rows):  # duplicated_rows
        if not text or (day_of is not None and str(day_of(row)) == text):
            return [*rows[: index + 1], dict(row), *rows[index + 1 :]]
    return rows


def name_at(row: Mapping[str, Any], place: int) -> str:
    """The name that the column at this place of a bent row has now."""
    return list(row)[place]


def _without_day(
    rows: list[dict[str, Any]],
    text: str,
    day_of: Callable[[dict[str, Any]], date | None] | None,
) -> list[dict[str, Any]]:
    if day_of is None or not text:
        return rows
    left = [row for row in rows if str(day_of(row)) != text]
    return left if len(left) < len(rows) else rows


def _rename(rows: list[dict[str, Any]], column: str, to: str) -> list[dict[str, Any]]:
    """`column` may be a path with dots; without one the last plain column is taken.

    The column keeps its place, by which platforms find it (`name_at`).
    """
    if not column:
        column = next((k for k in reversed(rows[0]) if not isinstance(rows[0][k], dict | list)), "")
    head, _, last = column.rpartition(".")
    bent, found = [], False
    for row in rows:
        inner = row.get(head) if head else row
        if isinstance(inner, dict) and last in inner:
            found = True
            renamed = {(to or f"{last}_v2" if k == last else k): v for k, v in inner.items()}
            bent.append({**row, head: renamed} if head else renamed)
        else:
            bent.append(row)
    return bent if found else rows
