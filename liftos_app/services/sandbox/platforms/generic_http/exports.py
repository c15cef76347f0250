"""The report as files: CSV in Latin-1 with decimal comma, JSON lines, packed ones."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from datetime import date

import orjson
from starlette.responses import Response

from liftos_app.services.sandbox.call import Call, text_answer
from liftos_app.services.sandbox.platforms.generic_http import data

_HEADS = ("Datum", "Kampagnen-Nr.", "Kampagne", "Kosten", "Impressionen", "Klicks", "Käufe",
          "Wert", "Währung")


def table(call: Call) -> str:
    """The report as the system writes it: two lines of a title, semicolons, commas, dd.mm.yyyy."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(["Auswertung täglich"])
    writer.writerow([f"Stand {call.now:%d.%m.%Y %H:%M}"])
    writer.writerow(_HEADS)
    for row in data.report(call):
        figures = row["figures"]
        writer.writerow([
            f"{date.fromisoformat(row['date']):%d.%m.%Y}", row["campaign_id"],
            row["campaign_name"], _german(figures["cost"]), figures["impressions"],
            figures["clicks"], _german(str(figures["conversions"])), _german(figures["value"]),
            "USD",
        ])
    return out.getvalue()


def _german(number: str) -> str:
    """1234.5 as 1.234,5."""
    whole, _, part = number.partition(".")
    return f"{int(whole):,}".replace(",", ".") + (f",{part}" if part else "")


def csv_file(call: Call) -> Response:
    """Latin-1, and the server does not say so."""
    return text_answer(
        table(call).encode("latin-1", "replace"), content_type="text/csv",
        headers={"content-disposition": 'attachment; filename="daily.csv"'},
    )


def json_lines(call: Call) -> Response:
    """One record a line."""
    lines = b"".join(orjson.dumps(row) + b"\n" for row in data.report(call))
    return text_answer(lines, content_type="application/x-ndjson")


def packed(call: Call) -> Response:
    """The CSV as a .gz file; the transfer itself is not packed."""
    return text_answer(
        gzip.compress(table(call).encode("utf-8-sig"), mtime=0), content_type="application/gzip"
    )


def zipped(call: Call) -> Response:
    """The CSV in UTF-16 inside an archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("daily.csv", table(call).encode("utf-16"))
    return text_answer(out.getvalue(), content_type="application/zip")
