"""Which LiftOS fields a defined stream can fill, by table, and the column names that suggest them.

Data only: mapping.py converts values, defined.py checks definitions against these lists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from liftos_app.services.connectors.spec import Lands

Kind = Literal["id", "text", "day", "time", "count", "money", "flag", "currency", "person"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One LiftOS field: its kind of value, and the column names it is usually found under."""

    name: str
    title: str
    kind: Kind
    required: bool = False
    length: int = 120  # of text
    words: tuple[str, ...] = ()  # lower case, letters and digits only
    about: str = ""


def _target(
    name: str, title: str, kind: Kind, words: str = "", *, required: bool = False,
    length: int = 120, about: str = "",
) -> Target:
    return Target(
        name=name, title=title, kind=kind, required=required, length=length, about=about,
        words=(name.replace("_", ""), *words.split()),
    )


_FACTS: Final = (
    _target("day", "Day", "day", "date reportdate statdate datum tag eventdate daydate",
            required=True),
    _target("campaign_id", "Campaign id", "id", "campaign campaignkey kampagneid kampagne",
            required=True, about="Without campaigns: a constant, such as all."),
    _target("campaign_name", "Campaign name", "text", "campaigntitle kampagnenname", length=400),
    _target("channel", "Channel", "text", "platform network source medium kanal", length=60,
            about="Keeps campaigns of different channels apart."),
    _target("spend", "Spend", "money", "cost costs amountspent adspend kosten adcost"),
    _target("impressions", "Impressions", "count", "views impr einblendungen"),
    _target("clicks", "Clicks", "count", "linkclicks swipes"),
    _target("conversions", "Conversions", "money", "purchases results leads konversionen"),
    _target("value", "Conversion value", "money",
            "revenue conversionvalue purchasevalue sales umsatz"),
    _target("currency", "Currency", "currency", "currencycode waehrung",
            about="Rows in another currency than the stream's go to an account of their own."),
)
_ORDERS: Final = (
    _target("external_id", "Order id", "id", "orderid id bestellnummer ordernumber", required=True),
    _target("name", "Order number", "text", "ordernumber ordername number", length=40),
    _target("processed_at", "Ordered at", "time",
            "orderedat orderdate createdat processedat placedat bestelldatum", required=True),
    _target("updated_at", "Changed at", "time", "updatedat modifiedat lastmodified"),
    _target("cancelled_at", "Cancelled at", "time", "cancelledat canceledat"),
    _target("gross", "Charged in all", "money",
            "total totalprice grossamount amount gross grandtotal revenue", required=True,
            about="After discounts, with shipping and tax."),
    _target("subtotal", "Goods", "money", "subtotalprice goods netamount",
            about="After discounts, without shipping and tax; else worked out of the others."),
    _target("discount", "Discount", "money", "discounts totaldiscounts rabatt"),
    _target("shipping", "Shipping", "money", "shippingprice freight versand"),
    _target("tax", "Tax", "money", "totaltax vat mwst"),
    _target("refunded", "Refunded", "money", "totalrefunded refundamount refunds"),
    _target("refunded_at", "Refunded at", "time", "refundedat refunddate",
            about="Else a refund counts on the day of its order."),
    _target("items", "Items", "count", "itemcount quantity units"),
    _target("currency", "Currency", "currency", "currencycode waehrung"),
    _target("financial_status", "Payment status", "text", "status paymentstatus", length=30),
    _target("is_test", "Test order", "flag", "istest test"),
    _target("customer", "Customer", "person", "customerid customerref userid clientid kundennummer",
            about="Kept as a keyed hash, never as sent."),
    _target("customer_order_index", "Order of this customer", "count", "ordersequence ordercount"),
    _target("source", "Source", "text", "ordersource saleschannel channel", length=80),
    _target("utm_source", "UTM source", "text", "", length=120),
    _target("utm_medium", "UTM medium", "text", "", length=120),
    _target("utm_campaign", "UTM campaign", "text", "", length=200),
)
_CRM: Final = (
    _target("external_id", "Id", "id", "id recordid dealid leadid contactid companyid",
            required=True),
    _target("created_at", "Created at", "time", "createdat createdate created createddate",
            required=True),
    _target("updated_at", "Changed at", "time", "updatedat modifiedat lastmodified updated"),
    _target("name", "Name", "text", "dealname title", length=400,
            about="Of a deal or company; names of people are never stored."),
    _target("status", "Status", "text", "leadstatus", length=60),
    _target("stage", "Stage", "text", "dealstage pipelinestage phase", length=120),
    _target("amount", "Amount", "money", "dealamount value revenue"),
    _target("currency", "Currency", "currency", "currencycode"),
    _target("closed_day", "Closed on", "day", "closedate closedat closeddate"),
    _target("is_closed", "Closed", "flag", "isclosed closed"),
    _target("is_won", "Won", "flag", "iswon won"),
    _target("source", "Source", "text", "leadsource channel", length=120),
    _target("campaign_id", "Campaign id", "text", "campaign"),
    _target("parent_id", "Belongs to", "text", "accountid companyid parentid"),
    _target("owner_id", "Owner", "text", "ownerid owner salesrep"),
    _target("person", "Person", "person", "contactid personid",
            about="Kept as a keyed hash, never as sent."),
    _target("deleted", "Deleted", "flag", "isdeleted deleted archived"),
)
_PAYMENTS: Final = (
    _target("external_id", "Payment id", "id", "id paymentid transactionid chargeid",
            required=True),
    _target("occurred_at", "Paid at", "time", "occurredat paidat createdat created date",
            required=True),
    _target("updated_at", "Changed at", "time", "updatedat modifiedat"),
    _target("amount", "Amount", "money", "total gross grossamount", required=True),
    _target("fee", "Fee", "money", "fees processingfee"),
    _target("net", "Net", "money", "netamount"),
    _target("refunded", "Refunded", "money", "amountrefunded refundedamount"),
    _target("currency", "Currency", "currency", "currencycode"),
    _target("status", "Status", "text", "state", length=40),
    _target("category", "Category", "text", "type", length=60),
    _target("customer", "Customer", "person", "customerid customer userid",
            about="Kept as a keyed hash, never as sent."),
    _target("parent_id", "Belongs to", "text", "parentid sourceid", length=120),
    _target("order_ref", "Order", "text", "orderid ordernumber", length=120),
    _target("is_test", "Test", "flag", "istest test"),
)
FIELDS: Final[Mapping[Lands, tuple[Target, ...]]] = {
    Lands.FACTS: _FACTS, Lands.ORDERS: _ORDERS, Lands.CRM: _CRM, Lands.PAYMENTS: _PAYMENTS,
}
TITLES: Final[Mapping[Lands, str]] = {
    Lands.FACTS: "Daily marketing figures by campaign", Lands.ORDERS: "Orders",
    Lands.CRM: "CRM records", Lands.PAYMENTS: "Payments",
}
PEOPLE: Final = frozenset({"contact", "lead", "campaign_member"})  # CRM kinds that are people
# The field whose day decides in which span a record is read.
DAY_FIELD: Final[Mapping[Lands, str]] = {
    Lands.FACTS: "day", Lands.ORDERS: "processed_at", Lands.CRM: "created_at",
    Lands.PAYMENTS: "occurred_at",
}

_PLAIN = re.compile(r"[^a-z0-9]")
_PERSONAL: Final = (
    (re.compile(r"e?mail"), "an e-mail address"),
    (re.compile(r"phone|mobile|telefon|msisdn|fax"), "a phone number"),
    (re.compile(r"(^|_)ip(_|$)|ip_?addr"), "an IP address"),
    (re.compile(r"address|street|strasse|postcode|postal|zip_?code|(^|_)plz($|_)"), "an address"),
    (re.compile(r"(first|last|full|sur|given|family|middle|customer|contact|user)_?name|(nach|ruf)name"),
     "a person's name"),
    (re.compile(r"birth|(^|_)dob($|_)|geburt"), "a date of birth"),
    (re.compile(r"iban|card_?number|(^|_)ssn($|_)|passport|tax_?id"), "an identity or bank number"),
)
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]{2,}")
_PHONE = re.compile(r"\+\d[\d ()/-]{7,}")


def fields_of(lands: Lands, kind: str = "") -> tuple[Target, ...]:
    """The fields of a table; kinds that are people have no name."""
    found = FIELDS[lands]
    return tuple(f for f in found if f.name != "name") if kind in PEOPLE else found


def suggest(lands: Lands, kind: str, columns: Sequence[str]) -> dict[str, str]:
    """A column for each field whose usual names one of the columns has; each column is used once.

    Columns that look personal are proposed for keyed hashes only.
    """
    plain = {_PLAIN.sub("", c.lower()): c for c in reversed(columns)}
    found: dict[str, str] = {}
    used: set[str] = set()
    for target in fields_of(lands, kind):
        for word in target.words:
            column = plain.get(word)
            if column is None or column in used:
                continue
            if target.kind != "person" and personal(column):
                continue
            found[target.name] = column
            used.add(column)
            break
    return found


def personal(column: str, values: Sequence[object] = ()) -> str:
    """What personal data a column seems to hold, by its name and its values; "" for none."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column).lower().replace(" ", "_").replace("-", "_")
    for pattern, what in _PERSONAL:
        if pattern.search(name) and not name.endswith(("_count", "_rate", "campaign_name")):
            return what
    for value in values:
        if isinstance(value, str) and _MAIL.search(value):
            return "an e-mail address"
        if isinstance(value, str) and _PHONE.fullmatch(value.strip()):
            return "a phone number"
    return ""
