"""What such systems also do."""

from __future__ import annotations

import email.utils
import gzip
import time

from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, html_answer, json_answer, redirect, text_answer

_ROW = {"date": "2026-11-01", "campaign_id": "c1", "cost": "1.00"}


def loop(_call: Call) -> Response:
    """A cursor that always names the same page."""
    return json_answer({"rows": [_ROW], "next": "same"})


def twice(_call: Call) -> Response:
    """The same page whatever number is asked for."""
    return json_answer([{**_ROW, "asked": "always"}])


def login(_call: Call) -> Response:
    """A login page with status 200."""
    return html_answer("<!doctype html><title>Anmeldung</title><form>Benutzer</form>")


def empty(_call: Call) -> Response:
    """Nothing, and it is no error."""
    return Response(b"", 204)


def moved(call: Call) -> Response:
    """To another path of the same server."""
    return redirect("/".join([call.base, "reports/daily.json"]) + "?" + call.query_string, 302)


def elsewhere(_call: Call) -> Response:
    """To another server; whoever follows must leave the sign-in behind."""
    return redirect("https://files.elsewhere.example/daily.json", 307)


def digest(_call: Call) -> Response:
    """Wants Digest."""
    header = 'Digest realm="Larkspur ERP", nonce="5f1c", algorithm=SHA-256'
    return text_answer("401", 401, headers={"www-authenticate": header})


def broken(_call: Call) -> Response:
    """Cut in the middle, with the right length."""
    return text_answer('[{"date": "2026-11-01", "campaign', content_type="application/json")


def ragged(_call: Call) -> Response:
    """Lines with too few and too many values, a doubled and an empty head."""
    return text_answer(
        "date,campaign_id,cost,cost,\n2026-11-01,c1,1.00,2.00,x\n2026-11-02,c1,1.00\n"
        "2026-11-03,c1,3.00,4.00,y,z\n2026-11-04,c1,oops,5.00,\n", content_type="text/csv",
    )


def error(_call: Call) -> Response:
    """An error in an answer that says 200."""
    return json_answer({"error": {"text": "export is being rebuilt"}, "rows": []})


def retry_date(call: Call) -> Response:
    """Comes back later, named as a date; once."""
    seen = call.memory.setdefault("retry-date", 0)
    call.memory["retry-date"] = seen + 1
    if seen % 2 == 0:
        # Beside the Date that the web server itself puts on its answers: the machine's clock.
        until = email.utils.formatdate(time.time() + 3, usegmt=True)
        return text_answer("busy", 503, headers={"retry-after": until})
    return json_answer([_ROW])


def bomb(_call: Call) -> Response:
    """A small file that would become a huge one."""
    return text_answer(gzip.compress(b"0" * 300_000_000), content_type="application/gzip")


def wide(_call: Call) -> Response:
    """One record of more than a megabyte beside a good one."""
    return json_answer([{**_ROW, "note": "x" * 2_000_000}, _ROW])
