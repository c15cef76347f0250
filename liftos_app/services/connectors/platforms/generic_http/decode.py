"""From the bytes of an answer to records: unpacking, character set, JSON, JSON lines, CSV."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from liftos_app.errors import Fix, GiveUp, Retry
from liftos_app.services.connectors.platforms.generic_http.errors import NAME
from liftos_app.services.connectors.platforms.generic_http.source import Source, dig
from liftos_app.services.connectors.spec import Rejected

LARGEST: Final = 256 * 1024 * 1024  # unpacked bytes of one answer
MOST_TIMES: Final = 100  # how much a packed file may grow
MOST_COLUMNS: Final = 1_000
ROW_BYTES: Final = 1024 * 1024
DEEPEST: Final = 50
FLAT: Final = 2  # levels of objects that become columns
_CHARSET = re.compile(r"charset=\"?([A-Za-z0-9_.-]+)")
_SIGNS = (",", ";", "\t", "|")


@dataclass(slots=True)
class Decoded:
    """What one answer held. `whole` is the JSON document, for paging; None for CSV."""

    records: list[dict[str, Any]]
    rejected: list[Rejected] = field(default_factory=list)
    columns: frozenset[str] = frozenset()
    whole: Any = None
    format: str = ""
    encoding: str = ""
    delimiter: str = ""


def decode(source: Source, body: bytes, headers: Mapping[str, str]) -> Decoded:
    """The records of an answer. Raises Fix, GiveUp, or Retry when it is cut off."""
    body = unpacked(body)
    if not body.strip():
        return Decoded([], format=source.format)
    text, encoding = _text(source, body, headers)
    kind = source.format or _format(text, headers)
    if kind in ("csv", "tsv"):
        found = _csv(source, text, "\t" if kind == "tsv" else source.delimiter)
    else:
        found = _json(source, text, lines=kind == "ndjson")
    found.format, found.encoding = kind, encoding
    return found


def unpacked(body: bytes) -> bytes:
    """A gzip or zip file's content; other bytes as they are. Raises GiveUp, Retry."""
    if body[:2] == b"\x1f\x8b":
        engine = zlib.decompressobj(31)
        try:
            found = engine.decompress(body, LARGEST + 1)
        except zlib.error:
            raise _damaged() from None
        if len(found) > LARGEST or (len(found) > MOST_TIMES * len(body) > 10_000_000):
            raise _too_large()
        if not engine.eof:
            raise _damaged()
        return found
    if body[:4] == b"PK\x03\x04":
        return _zipped(body)
    return body


def _zipped(body: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            files = [i for i in archive.infolist() if not i.is_dir()]
            if len(files) != 1:
                raise Fix(
                    f"{NAME} sent an archive with {len(files)} files.",
                    why="Which of them holds the data cannot be told.",
                    fix="Let it send one file, or one stream per file.",
                    cause="bad_configuration", owner="your_platform_admin",
                )
            one = files[0]
            if one.file_size > LARGEST or one.file_size > MOST_TIMES * max(one.compress_size, 1):
                raise _too_large()
            return archive.read(one)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        raise _damaged() from None


def _text(source: Source, body: bytes, headers: Mapping[str, str]) -> tuple[str, str]:
    """The text and the character set it was read with."""
    named = _CHARSET.search(headers.get("content-type", ""))
    tries = [source.encoding] if source.encoding else [
        *(["utf-16"] if body[:2] in (b"\xff\xfe", b"\xfe\xff") else []),
        "utf-8-sig", *([named[1]] if named else []), "cp1252",
    ]
    for name in tries:
        try:
            return body.decode(name).removeprefix("\ufeff"), name
        except (UnicodeDecodeError, LookupError):
            continue
    raise Fix(
        f"{NAME} sent characters that cannot be read.",
        why=f"They are not {' or '.join(tries)}.",
        fix="Choose the character set in the stream's settings.",
        cause="bad_configuration", owner="you",
    )


def _format(text: str, headers: Mapping[str, str]) -> str:
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if "ndjson" in kind or "jsonl" in kind or "json-seq" in kind:
        return "ndjson"
    head = text.lstrip()[:1]
    if "json" in kind or head in "{[":
        first, _, rest = text.strip().partition("\n")
        both = head == "{" and first.rstrip().endswith("}") and rest.lstrip().startswith("{")
        return "ndjson" if both else "json"
    return "tsv" if "tab-separated" in kind else "csv"


# --- JSON -----------------------------------------------------------------------------------------


def _json(source: Source, text: str, *, lines: bool) -> Decoded:
    if lines:
        return _lines(text)
    try:
        whole = json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise _damaged() from None
    failed = dig(whole, source.error_path) if source.error_path else None
    if failed not in (None, "", [], {}, False):
        raise Fix(
            f"{NAME} answered with an error.", why=f"It says: {str(failed)[:200]}.",
            fix="Check the stream's path and parameters.", cause="bad_configuration", owner="you",
        )
    found = dig(whole, source.records_path) if source.records_path else whole
    if found is None and source.records_path:
        found = _absent(whole, source.records_path)
    if isinstance(found, Mapping):
        found = [found]
    if not isinstance(found, list):
        raise Fix(
            f"{NAME}'s answer has no list of records.",
            why=f"There is none at {source.records_path or 'its top'}.",
            fix="Set the place of the records in the stream's settings.",
            cause="bad_configuration", owner="you",
        )
    records, rejected = _flattened(found)
    return Decoded(records, rejected, columns_of(records), whole)


def _absent(whole: Any, path: str) -> list[Any]:
    """No list where it was: nothing there when only its last part is missing or null."""
    above = path.rpartition(".")[0]
    holder = dig(whole, above) if above else whole
    if isinstance(holder, Mapping) and path.rpartition(".")[2] in holder:
        return []
    raise Fix(
        f"{NAME}'s answer has another form than before.",
        why=f"Nothing is at {path}.", fix="Check the place of the records, or the path.",
        cause="source_data", owner="you",
    )


def _lines(text: str) -> Decoded:
    found: list[Any] = []
    rejected: list[Rejected] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(json.loads(line, parse_float=Decimal, parse_constant=_no_number))
        except (ValueError, RecursionError):
            rejected.append(Rejected({"line": number}, "The line is no JSON, or it is cut off."))
    if rejected and not found:
        raise _damaged()
    records, more = _flattened(found)
    return Decoded(records, rejected + more, columns_of(records))


def _flattened(found: Sequence[Any]) -> tuple[list[dict[str, Any]], list[Rejected]]:
    records: list[dict[str, Any]] = []
    rejected = []
    for number, one in enumerate(found, 1):
        if not isinstance(one, Mapping):
            rejected.append(Rejected({"record": number}, "The record is no object."))
            continue
        flat: dict[str, Any] = {}
        _flatten(one, "", flat, FLAT)
        if len(flat) > MOST_COLUMNS:
            rejected.append(Rejected({"record": number}, f"It has over {MOST_COLUMNS} columns."))
        elif _longest(flat) > ROW_BYTES:
            rejected.append(Rejected({"record": number}, "It is larger than one megabyte."))
        else:
            records.append(flat)
    return records, rejected


def _flatten(one: Mapping[str, Any], before: str, into: dict[str, Any], depth: int) -> None:
    for key, value in one.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping) and depth > 0:
            _flatten(value, f"{name}_", into, depth - 1)
        elif isinstance(value, Mapping | list):
            into[name] = json.dumps(value, default=str, ensure_ascii=False)
        else:
            into[name] = value


def _longest(flat: Mapping[str, Any]) -> int:
    return sum(len(v) for v in flat.values() if isinstance(v, str))


def _no_number(text: str) -> Any:
    """NaN and Infinity are no numbers: kept as text, so that only their row is refused."""
    return text


# --- CSV ------------------------------------------------------------------------------------------


def _csv(source: Source, text: str, delimiter: str) -> Decoded:
    csv.field_size_limit(ROW_BYTES)
    lines = io.StringIO(text.replace("\x00", ""), newline="")
    for _ in range(source.skip_rows):
        lines.readline()
    at = lines.tell()
    sign = delimiter or _sign(lines.readline())
    lines.seek(at)
    reader = csv.reader(lines, delimiter=sign, strict=True)
    records: list[dict[str, Any]] = []
    rejected: list[Rejected] = []
    try:
        names = _named(next(reader, []))
        for row in reader:
            if not row:
                continue
            if len(row) != len(names):
                rejected.append(Rejected(
                    {"line": reader.line_num},
                    f"The line has {len(row)} values, the header has {len(names)}.",
                ))
                continue
            records.append({
                n: None if v.strip() in source.null_values else v
                for n, v in zip(names, row, strict=True)
            })
    except csv.Error as error:
        if "unexpected end" in str(error):  # a quote that is never closed: cut off
            raise _damaged() from None
        raise Fix(
            f"{NAME}'s CSV cannot be read.", why=f"Line {reader.line_num}: {error}.",
            fix="Check the separator and the character set in the stream's settings.",
            cause="source_data", owner="you",
        ) from None
    return Decoded(records, rejected, frozenset(names), delimiter=sign)


def _sign(head: str) -> str:
    """The separator that stands most often in the first line."""
    best = max(_SIGNS, key=head.count)
    return best if head.count(best) else ","


def _named(names: Sequence[str]) -> list[str]:
    """Column names, each once: an empty one is numbered, a second one gets _2."""
    if len(names) > MOST_COLUMNS:
        raise Fix(
            f"{NAME}'s table has {len(names)} columns.", why=f"{MOST_COLUMNS} is the most.",
            fix="Let it send fewer columns.", cause="bad_configuration", owner="you",
        )
    found: list[str] = []
    for number, name in enumerate(names, 1):
        own = name.strip() or f"col_{number}"
        again, count = own, 2
        while again in found:
            again, count = f"{own}_{count}", count + 1
        found.append(again)
    return found


def columns_of(records: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """Every column that any record has."""
    return frozenset().union(*records) if records else frozenset()


def _damaged() -> Retry:
    return Retry(
        f"{NAME} sent an answer that cannot be read.", why="It is cut off or damaged.",
        fix="Nothing to do: it is asked for again. If it lasts, check the form in the stream's "
        "settings.",
        cause="platform_outage",
    )


def _too_large() -> GiveUp:
    return GiveUp(
        f"{NAME} sent more than fits.", why="Unpacked, the answer is too large.",
        fix="Ask for fewer days at a time, with {{ window_start }} in the parameters.",
        cause="source_data", owner="the_platform",
    )


def _too_deep() -> GiveUp:
    return GiveUp(
        f"{NAME} sent records nested too deeply.", why=f"{DEEPEST} levels are the most.",
        fix="Let it send flatter records.", cause="source_data", owner="the_platform",
    )
