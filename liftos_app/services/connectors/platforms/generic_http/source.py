"""The settings of one stream of an HTTP source, from the texts a person typed."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from liftos_app.errors import Invalid
from liftos_app.services.connectors.defined import Definition
from liftos_app.services.connectors.spec import Input

FORMATS: Final = ("", "json", "ndjson", "csv", "tsv")
ENCODINGS: Final = ("", "utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16")
PAGINGS: Final = (
    "", "page", "offset", "cursor_body", "next_url_body", "link_header", "header_cursor",
)
DATES: Final = ("", "%d.%m.%Y", "iso_z", "epoch_s", "epoch_ms")
_TEMPLATE = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")
Values = Mapping[str, str | None]  # of placeholders; None: there is none now
_KNOWN: Final = frozenset({"cursor", "window_start", "window_end"})


def _choices(values: tuple[str, ...], words: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(zip(values, words, strict=True))


INPUTS: Final[tuple[Input, ...]] = (
    Input(
        name="path", label="Path", placeholder="/export/daily.csv",
        help="Below the system's address. It may hold {{ window_start }}, {{ window_end }} and "
        "{{ cursor }}.",
    ),
    Input(
        name="query", label="Parameters", required=False, placeholder="from={{ window_start }}",
        help="As in an address: a=1&b=2. The same three placeholders are filled.",
    ),
    Input(
        name="body", label="Body", required=False,
        help="Makes it a POST; JSON with the same placeholders.",
    ),
    Input(
        name="param_format", label="Form of days in the request", required=False,
        help="How window_start, window_end and cursor are written.",
        choices=_choices(DATES, ("2026-11-20", "20.11.2026", "2026-11-20T00:00:00Z",
                                 "Unix seconds", "Unix milliseconds")),
    ),
    Input(
        name="format", label="Form of the answer", required=False,
        help="Told from the answer when it is left open.",
        choices=_choices(FORMATS, ("Found out", "JSON", "JSON lines", "CSV", "TSV")),
    ),
    Input(
        name="encoding", label="Character set", required=False,
        help="Told from the answer when it is left open.",
        choices=_choices(ENCODINGS, ("Found out", "UTF-8", "UTF-8 with mark", "Latin-1",
                                     "Windows-1252", "UTF-16")),
    ),
    Input(
        name="records_path", label="Place of the records", required=False,
        placeholder="data.items", help="In JSON: the dotted way to the list; empty for a bare list."
        " [*] stands for every element on the way.",
    ),
    Input(
        name="delimiter", label="Separator of columns", required=False,
        help="In CSV. Told from the first line when it is left open.",
        choices=(("", "Found out"), (",", "Comma"), (";", "Semicolon"), ("|", "Bar"),
                 ("tab", "Tab")),
    ),
    Input(
        name="skip_rows", label="Lines before the header", required=False, pattern=r"\d{1,3}",
        wrong="A whole number, such as 2.", help="In CSV: lines of a title, if there are any.",
    ),
    Input(
        name="null_values", label="Words for nothing", required=False, placeholder="NULL,n/a",
        help="Separated by commas; an empty cell is nothing by itself.",
    ),
    Input(
        name="paging", label="Paging", required=False, help="How the next page is asked for.",
        choices=_choices(PAGINGS, ("One page", "Page number", "Offset", "Cursor in the answer",
                                   "Address in the answer", "Link header", "Cursor in a header")),
    ),
    Input(
        name="page_param", label="Parameter of the page", required=False,
        help="page, offset or cursor, as the system calls it.",
    ),
    Input(
        name="size_param", label="Parameter of the size", required=False,
        help="Such as per_page or limit.",
    ),
    Input(
        name="page_size", label="Records per page", required=False, pattern=r"[1-9]\d{0,4}",
        wrong="A whole number from 1 to 99999.", help="What the system allows at most.",
    ),
    Input(
        name="page_start", label="First page", required=False, pattern=r"\d{1,9}",
        wrong="A whole number, mostly 0 or 1.", help="1 unless the system counts from 0.",
    ),
    Input(
        name="next_path", label="Place of the next page", required=False,
        placeholder="paging.next",
        help="Dotted way to the cursor or address in the answer, or the header's name.",
    ),
    Input(
        name="total_path", label="Place of the total", required=False, placeholder="total",
        help="Dotted way to the number of records; it may be on the first page only.",
    ),
    Input(
        name="more_path", label="Place of 'there is more'", required=False,
        placeholder="has_more", help="Dotted way to true or false.",
    ),
    Input(
        name="short_page_ends", label="A short page is the last", required=False,
        help="For page numbers and offsets without a total.",
        choices=(("", "No: read until a page is empty"), ("yes", "Yes")),
    ),
    Input(
        name="max_pages", label="Pages at most", required=False, pattern=r"[1-9]\d{0,5}",
        wrong="A whole number, such as 10000.", help="A guard: more pages end in an error.",
    ),
    Input(
        name="error_path", label="Place of an error", required=False, placeholder="error",
        help="An answer that has something there is an error, whatever its status.",
    ),
    Input(
        name="cursor_start", label="Number before the first", required=False, placeholder="0",
        pattern=r"-?\d{1,38}", wrong="A whole number, such as 0.",
        help="For a number as cursor: what {{ cursor }} says at the first reading. Left open, the "
        "parameter is left out then.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """How to ask for one stream and how to read what comes."""

    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: str = ""
    param_format: str = ""
    format: str = ""
    encoding: str = ""
    records_path: str = ""
    delimiter: str = ""
    skip_rows: int = 0
    null_values: frozenset[str] = frozenset()
    paging: str = ""
    page_param: str = ""
    size_param: str = ""
    page_size: int = 0
    page_start: int = 1
    next_path: str = ""
    total_path: str = ""
    more_path: str = ""
    short_page_ends: bool = False
    max_pages: int = 10_000
    error_path: str = ""
    cursor_start: str = ""

    @property
    def asks_for_days(self) -> bool:
        """Whether the request itself names the days, so that each span is asked for apart."""
        return any("{{" in t and "window" in t for t in self._texts())

    def _texts(self) -> list[str]:
        return [self.path, self.body, *(v for _, v in self.query)]


def read_source(definition: Definition) -> Source:
    """The settings of a definition, checked. Raises Invalid naming the setting."""
    raw = dict(definition.source)
    known = {i.name: i for i in INPUTS}
    unknown = sorted(set(raw) - set(known))
    if unknown:
        raise _invalid(f"There is no setting called {unknown[0][:40]!r}.", unknown[0][:40])
    for name, one in known.items():
        text = raw.get(name, "")
        if text and one.pattern and not re.fullmatch(one.pattern, text):
            raise _invalid(f"{one.label}: {one.wrong}", name)
        if one.choices and text not in {v for v, _ in one.choices}:
            raise _invalid(f"{one.label} is not one of its choices.", name)
    found = Source(
        path=raw.get("path", ""), query=tuple(parse_qsl(raw.get("query", ""),
                                                        keep_blank_values=True)),
        body=raw.get("body", ""), param_format=raw.get("param_format", ""),
        format=raw.get("format", ""), encoding=raw.get("encoding", ""),
        records_path=raw.get("records_path", ""),
        delimiter="\t" if raw.get("delimiter") == "tab" else raw.get("delimiter", ""),
        skip_rows=int(raw.get("skip_rows") or 0),
        null_values=frozenset(v.strip() for v in raw.get("null_values", "").split(",") if v),
        paging=raw.get("paging", ""), page_param=raw.get("page_param", ""),
        size_param=raw.get("size_param", ""), page_size=int(raw.get("page_size") or 0),
        page_start=int(raw.get("page_start") or (0 if raw.get("paging") == "offset" else 1)),
        next_path=raw.get("next_path", ""), total_path=raw.get("total_path", ""),
        cursor_start=raw.get("cursor_start", ""),
        more_path=raw.get("more_path", ""), short_page_ends=raw.get("short_page_ends") == "yes",
        max_pages=int(raw.get("max_pages") or 10_000), error_path=raw.get("error_path", ""),
    )
    for problem, where in _problems(found):
        raise _invalid(problem, where)
    if definition.cursor and definition.cursor_kind == "number":
        _check_number(found)
    return found


def _problems(one: Source) -> list[tuple[str, str]]:
    found = []
    parts = urlsplit(one.path)
    if not one.path.startswith("/") or one.path.startswith("//") or parts.query or parts.fragment:
        found.append(("A path begins with one / and holds no ? or #; parameters have their own "
                      "field.", "path"))
    if ".." in one.path.split("/") or "\\" in one.path:
        found.append(("A path has no .. in it.", "path"))
    for text, name in ((one.path, "path"), (one.body, "body"),
                       (" ".join(v for _, v in one.query), "query")):
        wrong = sorted(set(_TEMPLATE.findall(text)) - _KNOWN)
        if wrong or text.count("{{") != len(_TEMPLATE.findall(text)):
            found.append(("Placeholders are {{ window_start }}, {{ window_end }} and {{ cursor }}.",
                          name))
    if one.paging in ("page", "offset", "cursor_body", "header_cursor") and not one.page_param:
        found.append(("This paging needs the name of its parameter.", "page_param"))
    if one.paging in ("cursor_body", "next_url_body", "header_cursor") and not one.next_path:
        found.append(("This paging needs the place where the next page is named.", "next_path"))
    if one.short_page_ends and not one.page_size:
        found.append(("Without the number of records per page no page is short.", "page_size"))
    return found


def filled(text: str, values: Values) -> str:
    """A text with its placeholders filled. Nothing is executed."""
    return _TEMPLATE.sub(lambda m: values.get(m[1], m[0]) or "", text)


def has_all(text: str, values: Values) -> bool:
    """Whether a parameter is sent: one with a placeholder that has no value now is left out."""
    return all(values.get(name, "") is not None for name in _TEMPLATE.findall(text))


def _check_number(source: Source) -> None:
    """What a number as cursor needs of the request. Raises Invalid."""
    fixed = {name for text in (source.path, source.body) for name in _TEMPLATE.findall(text)}
    asked = {name for _, text in source.query for name in _TEMPLATE.findall(text)}
    if "cursor" not in fixed | asked:
        raise _invalid(
            "Nothing in the request says {{ cursor }}, so all records would come each time. Put it "
            "where the system takes the number after which to begin, such as after={{ cursor }}.",
            "query",
        )
    if "cursor" in fixed and not source.cursor_start:
        raise _invalid(
            "A number in the path or body needs a first value: the one before all records.",
            "cursor_start",
        )
    if fixed - {"cursor"}:
        raise _invalid(
            "With a number as cursor the days go into the parameters: they are left out there when "
            "changes are read.", "path",
        )


def written(moment: dt.datetime, zone: str, form: str) -> str:
    """A time as the request writes it, `form` one of DATES; days are days of `zone`."""
    if form == "epoch_s":
        return str(int(moment.timestamp()))
    if form == "epoch_ms":
        return str(int(moment.timestamp() * 1000))
    if form == "iso_z":
        return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return moment.astimezone(ZoneInfo(zone)).strftime(form or "%Y-%m-%d")


def _invalid(why: str, where: str) -> Invalid:
    return Invalid(
        "This stream cannot be used as it is defined.", why=why,
        fix="Change its settings and try the preview again.", field=f"source.{where}",
        fields={f"source.{where}": why},
    )


def dig(data: Any, path: str) -> Any:
    """A value by its dotted way; `[*]` goes into every element of a list and joins what is found.

    None when a part of the way is missing.
    """
    for part in filter(None, path.replace("[*]", ".[*]").split(".")):
        if part == "[*]":
            if not isinstance(data, list):
                return None
            continue
        if isinstance(data, list):
            inner = [dig(one, part) for one in data]
            data = [x for one in inner for x in (one if isinstance(one, list) else [one])
                    if x is not None]
        elif isinstance(data, Mapping):
            data = data.get(part)
        else:
            return None
    return data
