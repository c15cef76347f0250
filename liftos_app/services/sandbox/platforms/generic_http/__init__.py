"""An imitation of the system that no vendor documents: a merchant's own, grown over twenty years.

It speaks HTTP as such systems do: Basic with a realm and a lock, exports in several forms, every
kind of paging, redirects, and a login page that answers 200.
"""

from __future__ import annotations

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, Target, json_answer, text_answer
from liftos_app.services.sandbox.platforms.generic_http import exports, lists, oddities
from liftos_app.services.sandbox.platforms.generic_http.door import REALM, guarded
from liftos_app.services.sandbox.plugin import Route, SandboxPlatform
from liftos_app.services.sandbox.trouble import Fault


def _root(call: Call) -> Response:
    return json_answer({"system": "Larkspur ERP", "release": "7.4", "time": call.now.isoformat()})


def _fault(_call: Call, fault: Fault) -> Response:
    words = {
        "token_expired": (401, "session expired"), "token_revoked": (401, "user is locked"),
        "missing_scope": (403, "no right for this export"),
        "rate_limited": (429, "too many requests"), "rate_limited_silent": (429, "busy"),
        "quota_exhausted": (429, "daily limit reached"),
    }
    status, text = words.get(fault.kind, (fault.status or 503, "maintenance"))
    basic = {"www-authenticate": f'Basic realm="{REALM}", charset="UTF-8"'}
    headers = basic if status == 401 else {}
    if fault.kind == "rate_limited" and fault.retry_after:
        headers["retry-after"] = str(fault.retry_after)
    if fault.kind == "quota_exhausted":
        headers["retry-after"] = "43200"
    return text_answer(f"ERROR {status}: {text}\r\n", status, headers=headers)


def _about(call: Call) -> Target:
    stream = call.path.rstrip("/").rpartition("/")[2].partition(".")[0]
    return Target(account="erp", stream=stream)


def _nothing(call: Call) -> Response:
    return text_answer(f"ERROR 404: {call.path} is not known here\r\n", 404)


_OPEN = (
    ("/", _root), ("/reports/daily.json", lists.daily), ("/reports/daily.csv", exports.csv_file),
    ("/reports/daily.ndjson", exports.json_lines), ("/reports/daily.csv.gz", exports.packed),
    ("/reports/daily.zip", exports.zipped), ("/deals", lists.deals),
    ("/reports/offset", lists.by_offset), ("/reports/cursor", lists.by_cursor),
    ("/reports/next", lists.by_link), ("/reports/header", lists.by_header),
    ("/odd/loop", oddities.loop), ("/odd/login", oddities.login), ("/odd/empty", oddities.empty),
    ("/odd/moved", oddities.moved), ("/odd/elsewhere", oddities.elsewhere),
    ("/odd/digest", oddities.digest), ("/odd/broken", oddities.broken),
    ("/odd/ragged", oddities.ragged), ("/odd/twice", oddities.twice),
    ("/odd/error", oddities.error), ("/odd/retry-date", oddities.retry_date),
    ("/odd/bomb", oddities.bomb), ("/odd/wide", oddities.wide),
)

PLATFORM = SandboxPlatform(
    id="generic_http",
    name="Larkspur ERP",
    routes=(
        *(Route("GET", path, guarded(handler)) for path, handler in _OPEN),
        Route("POST", "/reports/search", guarded(lists.search)),
        Route("GET", "/public", _root),
        Route("GET", "/public/reports/daily.json", lists.daily),
        Route("GET", "/public/deals", lists.deals),
    ),
    fault=_fault,
    classify=_about,
    otherwise=guarded(_nothing),
)
