"""What the CRM view of the world hands out: the trade program's records as of one moment.

Ids are plain numbers in order of creation, 1 and up within each kind; 0 is "none". Money is whole
cents. A record that was deleted or merged away is still handed out, with `deleted_at`. Names,
e-mail addresses and phone numbers are invented, and are there so that readers can leave them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

LeadStatus = Literal["new", "working", "qualified", "converted", "unqualified"]
CampaignKind = Literal["paid_social", "search", "email", "event"]
CampaignStatus = Literal["planned", "active", "completed"]
MemberStatus = Literal["sent", "responded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmOwner:
    """A person of the sales team. One who left is inactive from `left_at` on."""

    id: int
    first_name: str
    last_name: str
    email: str
    team: str
    market: str  # "US", "EU"
    active: bool
    created_at: datetime
    updated_at: datetime
    left_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmStage:
    """A step of the pipeline; `probability` in percent."""

    id: int
    name: str
    order: int  # from 0
    probability: int
    closed: bool
    won: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmPipeline:
    """The one pipeline of the trade program."""

    id: int
    name: str
    stages: tuple[CrmStage, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmLead:
    """Somebody who asked about the trade program.

    `source` is a channel of plan.CHANNELS, "referral" or "direct". `ad_campaign_id` is the real
    campaign of the ad platform. `merged_ids` are the leads that were merged into this one.
    """

    id: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    merged_into: int
    merged_ids: tuple[int, ...]
    first_name: str
    last_name: str
    email: str
    phone: str
    title: str
    company_name: str
    industry: str
    region: str
    country: str
    province: str
    source: str
    source_name: str  # as people call it: "LinkedIn", "Google", "Meta", "E-mail"...
    form: str  # what was filled in first
    campaign_id: int  # CrmCampaign
    ad_platform: str
    ad_account_id: str
    ad_campaign_id: str
    utm_source: str
    utm_medium: str
    utm_campaign: str
    utm_content: str
    status: LeadStatus
    owner_id: int
    converted_at: datetime | None
    contact_id: int
    company_id: int
    deal_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmCompany:
    """A business that became a contact. `revenue` is yearly, cents of USD."""

    id: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    merged_into: int
    merged_ids: tuple[int, ...]
    name: str
    domain: str
    industry: str
    region: str
    country: str
    province: str
    employees: int
    revenue: int
    customer: bool  # has won business
    owner_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmContact:
    """A person at a company: a converted lead, or a colleague (`lead_id` 0)."""

    id: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    company_id: int
    lead_id: int
    first_name: str
    last_name: str
    email: str
    phone: str
    title: str
    country: str
    province: str
    source: str
    campaign_id: int
    owner_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmDeal:
    """An opportunity. `amount` in cents of `currency`, None before anything was quoted;
    `amount_usd` the same at the rate of the day it was made. `close_date` is what sales expects,
    then the day it was won or lost. `history` are the stages so far, with their moments.
    """

    id: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    name: str
    repeat: bool  # of a company that bought before
    company_id: int
    contact_id: int
    lead_id: int  # the lead it goes back to
    owner_id: int
    source: str
    campaign_id: int
    country: str
    currency: str
    amount: int | None
    amount_usd: int | None
    stage_id: int
    probability: int
    history: tuple[tuple[int, datetime], ...]
    close_date: date
    closed_at: datetime | None
    is_closed: bool
    is_won: bool
    lost_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmCampaign:
    """A campaign as marketing keeps it in the CRM. `budget` and `cost` in cents of USD.

    Counts are those of the moment and move without `updated_at`, as roll-ups do. Deleted
    members, leads and deals do not count.
    """

    id: int
    created_at: datetime
    updated_at: datetime
    name: str
    kind: CampaignKind
    channel: str  # of plan.CHANNELS, "" for events
    status: CampaignStatus
    starts: date
    ends: date | None
    budget: int
    cost: int
    ad_platform: str
    ad_campaign_id: str
    members: int
    responses: int
    leads: int
    converted_leads: int
    deals: int
    won_deals: int
    won_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CrmMember:
    """A lead in a campaign; `contact_id` once it was converted. `deleted_at`: it is gone."""

    id: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    campaign_id: int
    lead_id: int
    contact_id: int
    status: MemberStatus
    responded_at: datetime | None
