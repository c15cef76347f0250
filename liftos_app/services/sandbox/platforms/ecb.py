"""The statistics service of the European Central Bank, as far as exchange rates need it: daily
reference rates in SDMX CSV. No sign-in.
"""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import Final

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, Target, text_answer
from liftos_app.services.sandbox.plugin import Route, SandboxPlatform
from liftos_app.services.sandbox.trouble import Fault
from liftos_app.services.sandbox.world.rates import CURRENCIES, FIRST, published

_COLUMNS: Final = (
    "KEY",
    "FREQ",
    "CURRENCY",
    "CURRENCY_DENOM",
    "EXR_TYPE",
    "EXR_SUFFIX",
    "TIME_PERIOD",
    "OBS_VALUE",
    "OBS_STATUS",
    "OBS_CONF",
    "OBS_PRE_BREAK",
    "OBS_COM",
    "TIME_FORMAT",
    "BREAKS",
    "COLLECTION",
    "COMPILING_ORG",
    "DISS_ORG",
    "DOM_SER_IDS",
    "PUBL_ECB",
    "PUBL_MU",
    "PUBL_PUBLIC",
    "UNIT_INDEX_BASE",
    "COMPILATION",
    "COVERAGE",
    "DECIMALS",
    "NAT_TITLE",
    "SOURCE_AGENCY",
    "SOURCE_PUB",
    "TITLE",
    "TITLE_COMPL",
    "UNIT",
    "UNIT_MULT",
)


def rates(call: Call) -> Response:
    """`/service/data/EXR/D.USD+GBP.EUR.SP00.A?format=csvdata&startPeriod=&endPeriod=`."""
    parts = call.params["key"].split(".")
    if len(parts) != 5 or parts[0] not in {"D", ""} or parts[2] not in {"EUR", ""}:
        return _problem(400, "The series key must have five parts: D.CURRENCY.EUR.SP00.A")
    asked = parts[1].split("+") if parts[1] else sorted(CURRENCIES)
    known = [currency for currency in asked if currency in CURRENCIES]
    if not known:
        return _problem(404, "No results found.")
    wants = call.query.get("format", "") or call.headers.get("accept", "")
    if "csv" not in wants:
        return _problem(406, "This imitation answers CSV only: format=csvdata.")
    try:
        first = _period(call.query.get("startPeriod", ""), FIRST)
        last = _period(call.query.get("endPeriod", ""), call.now.date())
        newest = int(call.query.get("lastNObservations", "0"))
    except ValueError:
        return _problem(400, "A period is a day: 2026-11-01.")
    lines = [line for currency in known for line in _series(call, currency, first, last, newest)]
    out = io.StringIO()
    if lines:
        writer = csv.DictWriter(out, _COLUMNS, restval="", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(lines)
    return text_answer(out.getvalue(), content_type="text/csv; charset=utf-8")


def _series(
    call: Call, currency: str, first: date, last: date, newest: int
) -> list[dict[str, str]]:
    found = []
    day = max(first, FIRST)
    last = min(last, call.now.date())
    digits = str(CURRENCIES[currency][1])
    while day <= last:
        rate = call.world.rate(day, currency)
        if rate is not None and published(day, call.now):
            found.append(
                {
                    "KEY": f"EXR.D.{currency}.EUR.SP00.A",
                    "FREQ": "D",
                    "CURRENCY": currency,
                    "CURRENCY_DENOM": "EUR",
                    "EXR_TYPE": "SP00",
                    "EXR_SUFFIX": "A",
                    "TIME_PERIOD": day.isoformat(),
                    "OBS_VALUE": str(rate),
                    "OBS_STATUS": "A",
                    "OBS_CONF": "F",
                    "TIME_FORMAT": "P1D",
                    "COLLECTION": "A",
                    "DECIMALS": digits,
                    "SOURCE_AGENCY": "4F0",
                    "TITLE": f"{currency}/Euro, sandbox",
                    "UNIT": currency,
                    "UNIT_MULT": "0",
                }
            )
        day += timedelta(days=1)
    return found[-newest:] if newest > 0 else found


def _period(text: str, default: date) -> date:
    if not text:
        return default
    if len(text) == 4:
        text += "-01-01"
    elif len(text) == 7:
        text += "-01"
    return date.fromisoformat(text)


def _problem(status: int, words: str) -> Response:
    return text_answer(words, status)


def _fault(_call: Call, fault: Fault) -> Response:
    if fault.kind.startswith("rate_limited") or fault.kind == "quota_exhausted":
        headers = {"retry-after": str(fault.retry_after)} if fault.retry_after else {}
        return text_answer("Too many requests", 429, headers=headers)
    return text_answer("Service unavailable", fault.status)


def _about(call: Call) -> Target:
    return Target(account=call.path.rsplit("/", 1)[-1], stream="rates")


PLATFORM = SandboxPlatform(
    id="ecb",
    name="European Central Bank",
    routes=(Route("GET", "/service/data/EXR/{key}", rates),),
    fault=_fault,
    classify=_about,
)
