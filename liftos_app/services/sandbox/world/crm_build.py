"""Builds the CRM from the model: asks become leads, some of them contact, company and deals."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

from liftos_app.services.sandbox.world.crm import Crm, Event, Life, live, moment, second_of
from liftos_app.services.sandbox.world.crm_asks import DAY, Asks, Faces, asks, owner_of
from liftos_app.services.sandbox.world.crm_campaigns import Book, Origin, open_book
from liftos_app.services.sandbox.world.crm_deals import Deals
from liftos_app.services.sandbox.world.crm_plan import FORMS, INDUSTRIES
from liftos_app.services.sandbox.world.crm_shapes import (
    CrmCompany,
    CrmContact,
    CrmDeal,
    CrmLead,
    CrmMember,
)
from liftos_app.services.sandbox.world.model import Model, day_of
from liftos_app.services.sandbox.world.noise import Noise
from liftos_app.services.sandbox.world.rates import Rates

_NEVER: Final = 2**62


@dataclass(frozen=True, slots=True)
class _Firm:
    """The company of a lead; `until` the second it was merged `into` another one."""

    number: int
    made: int
    until: int = _NEVER
    into: int = 0

    def at(self, second: int) -> int:
        """The id under which it is known at a second."""
        return self.into if second >= self.until else self.number


class _Builder:
    def __init__(self, rows: Asks, book: Book, rates: Rates) -> None:
        self.rows, self.book = rows, book
        self.faces = Faces(rows)
        self.deals = Deals(rows, self.faces, rates)
        self.created: list[int] = rows.created.tolist()
        self.size = len(self.created)
        self.converted = self._conversions()  # row -> second
        shares = rows.draw("origin")
        self.origins = [book.origin(rows, row, shares[row]) for row in range(self.size)]
        shares = rows.draw("owner")
        self.owners = [
            owner_of(rows.where(row).market, self.created[row], shares[row])
            for row in range(self.size)
        ]
        self.firms = self._firms()
        self.people = self._people()  # (row, colleague) -> contact id
        courses = [c for row, at in self.converted.items() for c in self.deals.courses(row, at)]
        self.courses = sorted(courses, key=lambda c: (c.made, c.row, c.round))
        self.first_deal = {c.row: n for n, c in enumerate(self.courses, 1) if c.round == 0}

    def _conversions(self) -> dict[int, int]:
        chance, wait = self.rows.draw("convert"), self.rows.draw("convert/t")
        return {
            row: made + int((0.8 + 34 * wait[row] ** 2) * DAY)
            for row, made in enumerate(self.created)
            if chance[row] < self.rows.whence(row).converts
        }

    def _firms(self) -> dict[int, _Firm]:
        """Companies by row of their lead, numbered as they come; few are merged into another."""
        order = sorted(self.converted, key=lambda row: (self.converted[row], row))
        merge = self.rows.draw("merge/company")
        found: dict[int, _Firm] = {}
        standing = 0
        for number, row in enumerate(order, 1):
            made = self.converted[row]
            if standing and merge[row] < 0.012:
                found[row] = _Firm(number, made, made + 20 * DAY, standing)
            else:
                found[row] = _Firm(number, made)
                standing = number
        return found

    def _people(self) -> dict[tuple[int, bool], int]:
        another, wait = self.rows.draw("colleague"), self.rows.draw("colleague/t")
        made = [(second, row, False) for row, second in self.converted.items()]
        made += [
            (second + int((1 + 20 * wait[row]) * DAY), row, True)
            for row, second in self.converted.items()
            if another[row] < 0.3
        ]
        made.sort()
        self.made_people = made
        return {(row, other): n for n, (_, row, other) in enumerate(made, 1)}

    # Leads ----------------------------------------------------------------------------------

    def leads(self) -> tuple[Life[CrmLead], ...]:
        happenings = self._lead_events()
        form = self.rows.draw("form")
        found = []
        for row, second in enumerate(self.created):
            face, origin, region = (
                self.faces.lead(row),
                self.origins[row],
                self.rows.where(row),
            )
            source = self.rows.whence(row)
            lead = CrmLead(
                id=row + 1,
                created_at=moment(second),
                updated_at=moment(second),
                deleted_at=None,
                merged_into=0,
                merged_ids=(),
                first_name=face.first_name,
                last_name=face.last_name,
                email=face.email,
                phone=face.phone,
                title=face.title,
                company_name=face.company,
                industry=INDUSTRIES[face.industry][0],
                region=region.id,
                country=region.country,
                province=region.province,
                source=source.id,
                source_name=source.name,
                form=FORMS[int(form[row] * len(FORMS))],
                status="new",
                owner_id=self.owners[row],
                converted_at=None,
                contact_id=0,
                company_id=0,
                deal_id=0,
                **_origin(origin),
            )
            found.append(live(lead, happenings[row], root=self.rows.root(row)))
        return tuple(found)

    def _lead_events(self) -> defaultdict[int, list[Event]]:
        """Worked on, qualified and converted, given up, deleted, or merged into the one before."""
        soon, fate, when = (self.rows.draw(f"lead/{n}") for n in ("soon", "fate", "when"))
        found: defaultdict[int, list[Event]] = defaultdict(list)
        standing = -1
        for row, made in enumerate(self.created):
            events = found[row]
            at = self.converted.get(row)
            first = made + int((1 + 15 * soon[row]) * 3_600)
            events.append((first, {"status": "working"}))
            later = made + int((3 + 110 * when[row]) * DAY)
            if at is not None:
                events += self._conversion(row, made, at)
                standing = row
            elif fate[row] < 0.012:
                events.append((later, {"deleted_at": moment(later)}))
            elif fate[row] < 0.022 and standing >= 0:
                known = made + 2 * DAY
                gone = {"deleted_at": moment(known), "merged_into": standing + 1}
                events.append((known, gone))
                found[standing].append((known, {"merged_ids": _one_more("merged_ids", row + 1)}))
            else:
                standing = row
                if fate[row] < 0.6:
                    events.append((made + int((5 + 35 * when[row]) * DAY), _GIVEN_UP))
        return found

    def _conversion(self, row: int, made: int, at: int) -> list[Event]:
        done = {
            "status": "converted",
            "converted_at": moment(at),
            "contact_id": self.people[row, False],
            "company_id": self.firms[row].number,
            "deal_id": self.first_deal[row],
        }
        return [(made + (at - made) // 2, {"status": "qualified"}), (at, done)]

    # What conversions made ------------------------------------------------------------------

    def companies(self) -> tuple[Life[CrmCompany], ...]:
        size, grown = self.rows.factor(0.9, "company/size"), self.rows.draw("company/grown")
        happenings = self._company_events(grown)
        found = []
        for row, firm in self.firms.items():
            face, region, made = self.faces.lead(row), self.rows.where(row), moment(firm.made)
            employees = 1 + int(14 * size[row])
            company = CrmCompany(
                id=firm.number,
                created_at=made,
                updated_at=made,
                deleted_at=None,
                merged_into=0,
                merged_ids=(),
                name=face.company,
                domain=face.domain,
                industry=INDUSTRIES[face.industry][0],
                region=region.id,
                country=region.country,
                province=region.province,
                employees=employees,
                revenue=employees * 8_400_000,
                customer=False,
                owner_id=self.owners[row],
            )
            found.append(live(company, happenings[firm.number], root=self.rows.root(row)))
        return tuple(found)

    def _company_events(self, grown: list[float]) -> defaultdict[int, list[Event]]:
        found: defaultdict[int, list[Event]] = defaultdict(list)
        for row, firm in self.firms.items():
            if grown[row] < 0.05:
                found[firm.number].append((firm.made + 200 * DAY, {"employees": 60}))
            if firm.into:
                at = firm.until
                gone = {"deleted_at": moment(at), "merged_into": firm.into}
                found[firm.number].append((at, gone))
                taken = {"merged_ids": _one_more("merged_ids", firm.number)}
                found[firm.into].append((at, taken))
        bought: dict[int, int] = {}
        for course in self.courses:
            if course.won and (course.deleted is None or course.deleted > course.ended):
                number = self.firms[course.row].at(course.ended)
                bought[number] = min(bought.get(number, _NEVER), course.ended)
        for number, at in bought.items():
            found[number].append((at, {"customer": True}))
        return found

    def contacts(self) -> tuple[Life[CrmContact], ...]:
        fate, moved = self.rows.draw("contact/fate"), self.rows.draw("contact/moved")
        found = []
        for number, (second, row, other) in enumerate(self.made_people, 1):
            face = self.faces.colleague(row) if other else self.faces.lead(row)
            firm, region, made = self.firms[row], self.rows.where(row), moment(second)
            contact = CrmContact(
                id=number,
                created_at=made,
                updated_at=made,
                deleted_at=None,
                company_id=firm.at(second),
                lead_id=0 if other else row + 1,
                first_name=face.first_name,
                last_name=face.last_name,
                email=face.email,
                phone=face.phone,
                title=face.title,
                country=region.country,
                province=region.province,
                source=self.rows.whence(row).id,
                campaign_id=0 if other else self.origins[row].campaign_id,
                owner_id=self.owners[row],
            )
            events = _moved(firm, second)
            if other and fate[row] < 0.05:
                gone = second + 70 * DAY
                events.append((gone, {"deleted_at": moment(gone)}))
            elif moved[row] < 0.06:
                events.append((second + 90 * DAY, {"title": "Director"}))
            found.append(live(contact, events, root=self.rows.root(row)))
        return tuple(found)

    def all_deals(self) -> tuple[Life[CrmDeal], ...]:
        found = []
        for number, course in enumerate(self.courses, 1):
            row, firm = course.row, self.firms[course.row]
            links = {
                "company_id": firm.at(course.made),
                "contact_id": self.people[row, False],
                "lead_id": row + 1,
                "owner_id": self.owners[row],
                "campaign_id": self.origins[row].campaign_id,
            }
            deal, events = self.deals.story(number, course, links)
            found.append(live(deal, events + _moved(firm, course.made), root=self.rows.root(row)))
        return tuple(found)

    # Members --------------------------------------------------------------------------------

    def members(self) -> tuple[Life[CrmMember], ...]:
        fate, when = self.rows.draw("member/fate"), self.rows.draw("member/when")
        joined = [
            (second + 60, origin.campaign_id, row, second + 60)
            for row, (second, origin) in enumerate(zip(self.created, self.origins, strict=True))
            if origin.campaign_id
        ]
        joined += self._invited()
        found = []
        for number, (second, campaign, row, answered) in enumerate(sorted(joined), 1):
            made = moment(second)
            at_once = answered == second
            converted = self.converted.get(row, _NEVER)
            contact = self.people[row, False] if converted < _NEVER else 0
            member = CrmMember(
                id=number,
                created_at=made,
                updated_at=made,
                deleted_at=None,
                campaign_id=campaign,
                lead_id=row + 1,
                contact_id=contact if converted <= second else 0,
                status="responded" if at_once else "sent",
                responded_at=made if at_once else None,
            )
            events: list[Event] = []
            if second < answered < _NEVER:
                told = {"status": "responded", "responded_at": moment(answered)}
                events.append((answered, told))
            if second < converted < _NEVER:
                events.append((converted, {"contact_id": contact}))
            if fate[row] < 0.015:
                gone = second + int((10 + 80 * when[row]) * DAY)
                events.append((gone, {"deleted_at": moment(gone)}))
            found.append(live(member, events, root=self.rows.root(row)))
        return tuple(found)

    def _invited(self) -> list[tuple[int, int, int, int]]:
        """Leads of the last 120 days who were asked to a show of their market; some come."""
        found = []
        for number, draft in enumerate(self.book.drafts, 1):
            if draft.show is None:
                continue
            sent, opens = second_of(draft.starts, -14 * 24 + 10), second_of(draft.starts, 10)
            asked, came = self.rows.draw("invite", number), self.rows.draw("come", number)
            for row, made in enumerate(self.created):
                fresh = sent - 120 * DAY <= made < sent
                if fresh and self.rows.where(row).market == draft.show.market and asked[row] < 0.35:
                    answer = opens + int(came[row] * 1_000) * 60 if came[row] < 0.3 else _NEVER
                    found.append((sent, number, row, answer))
        return found


def build(noise: Noise, model: Model, rates: Rates, *, volume: float) -> Crm:
    """The trade program's CRM over the model's days."""
    rows = asks(noise, model, volume=volume)
    book = open_book(model, day_of(model.days - 1))
    made = _Builder(rows, book, rates)
    return Crm(
        leads=made.leads(),
        companies=made.companies(),
        contacts=made.contacts(),
        deals=made.all_deals(),
        campaigns=book.lives(),
        members=made.members(),
    )


_GIVEN_UP: Final[dict[str, Any]] = {"status": "unqualified"}


def _moved(firm: _Firm, since: int) -> list[Event]:
    return [(firm.until, {"company_id": firm.into})] if since < firm.until < _NEVER else []


def _one_more(name: str, number: int) -> Any:
    return lambda record: (*getattr(record, name), number)


def _origin(origin: Origin) -> dict[str, Any]:
    return {
        "campaign_id": origin.campaign_id,
        "ad_platform": origin.platform,
        "ad_account_id": origin.account_id,
        "ad_campaign_id": origin.ad_campaign_id,
        "utm_source": origin.source,
        "utm_medium": origin.medium,
        "utm_campaign": origin.campaign,
        "utm_content": origin.content,
    }
