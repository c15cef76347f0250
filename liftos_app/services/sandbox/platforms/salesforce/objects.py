"""The objects of the imitated organization: their fields with types, as `describe` tells them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from liftos_app.services.sandbox.platforms.salesforce.ids import PREFIX

# type, JSON form: these are the kinds a field can be
_SOAP: Final = {
    "id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "int": "xsd:int",
    "double": "xsd:double", "currency": "xsd:double", "percent": "xsd:double", "date": "xsd:date",
    "datetime": "xsd:dateTime", "address": "urn:address",
}  # fmt: skip
_PERSON: Final = {
    "FirstName": "string", "LastName": "string", "Name": "string", "Email": "email",
    "Phone": "phone", "Title": "string",
}  # fmt: skip
_STAMPS: Final = {
    "CreatedDate": "datetime", "LastModifiedDate": "datetime", "SystemModstamp": "datetime",
}  # fmt: skip
_MULTI: Final = "CurrencyIsoCode"


@dataclass(frozen=True)
class Sobject:
    """An object: `soft` records stay visible to queryAll for a while after they were deleted."""

    name: str
    fields: Mapping[str, str]
    soft: bool = True
    money: bool = False
    compound: str = ""

    @cached_property
    def by_lower(self) -> dict[str, str]:
        """Field names by their lower-case form."""
        return {name.lower(): name for name in self.fields}

    def describe(self, *, multi: bool) -> dict[str, Any]:
        """What GET .../describe answers."""
        return {
            "name": self.name, "label": self.name, "keyPrefix": PREFIX[self.name],
            "queryable": True, "replicateable": True, "retrieveable": True,
            "custom": False,
            "fields": [
                _field(name, kind) for name, kind in self.fields.items() if multi or name != _MULTI
            ],
        }  # fmt: skip


def _field(name: str, kind: str) -> dict[str, Any]:
    return {
        "name": name, "label": name, "type": kind, "soapType": _SOAP.get(kind, "xsd:string"),
        "nillable": name != "Id", "calculated": name.startswith("NumberOf"), "custom": False,
        "filterable": kind != "textarea", "length": 18 if kind in {"id", "reference"} else 255,
        "precision": 18 if kind == "currency" else 0, "scale": 2 if kind == "currency" else 0,
        "picklistValues": [],
    }  # fmt: skip


_ALL: Final = (
    Sobject("Lead", {
        "Id": "id", "IsDeleted": "boolean", "MasterRecordId": "reference", **_PERSON,
        "Company": "string", "LeadSource": "picklist", "Status": "picklist", "Rating": "picklist",
        "Industry": "picklist", "Country": "string", "Address": "address",
        "Description": "textarea", "IsConverted": "boolean", "ConvertedDate": "date",
        "ConvertedContactId": "reference", "ConvertedAccountId": "reference",
        "ConvertedOpportunityId": "reference", "OwnerId": "reference", _MULTI: "picklist",
        **_STAMPS,
    }, compound="Address"),
    Sobject("Contact", {
        "Id": "id", "IsDeleted": "boolean", "MasterRecordId": "reference",
        "AccountId": "reference", **_PERSON, "LeadSource": "picklist",
        "MailingCountry": "string", "MailingAddress": "address", "OwnerId": "reference",
        _MULTI: "picklist", **_STAMPS,
    }, compound="MailingAddress"),
    Sobject("Account", {
        "Id": "id", "IsDeleted": "boolean", "MasterRecordId": "reference", "Name": "string",
        "Type": "picklist", "Industry": "picklist", "AnnualRevenue": "currency",
        "NumberOfEmployees": "int", "Website": "string", "BillingCountry": "string",
        "BillingAddress": "address", "ParentId": "reference", "OwnerId": "reference",
        _MULTI: "picklist", **_STAMPS,
    }, money=True, compound="BillingAddress"),
    Sobject("Opportunity", {
        "Id": "id", "IsDeleted": "boolean", "Name": "string", "AccountId": "reference",
        "ContactId": "reference", "CampaignId": "reference", "StageName": "picklist",
        "Amount": "currency", "Probability": "percent", "ExpectedRevenue": "currency",
        "CloseDate": "date", "Type": "picklist", "LeadSource": "picklist", "IsClosed": "boolean",
        "IsWon": "boolean", "ForecastCategoryName": "picklist", "Description": "textarea",
        "OwnerId": "reference", _MULTI: "picklist", **_STAMPS,
    }, money=True),
    Sobject("Campaign", {
        "Id": "id", "IsDeleted": "boolean", "Name": "string", "Type": "picklist",
        "Status": "picklist", "StartDate": "date", "EndDate": "date", "IsActive": "boolean",
        "BudgetedCost": "currency", "ActualCost": "currency", "ExpectedRevenue": "currency",
        "ParentId": "reference", "NumberOfLeads": "int", "NumberOfConvertedLeads": "int",
        "NumberOfContacts": "int", "NumberOfResponses": "int", "NumberOfOpportunities": "int",
        "NumberOfWonOpportunities": "int", "AmountAllOpportunities": "currency",
        "AmountWonOpportunities": "currency", "OwnerId": "reference", _MULTI: "picklist",
        **_STAMPS,
    }, money=True),
    Sobject("CampaignMember", {
        "Id": "id", "IsDeleted": "boolean", "CampaignId": "reference", "LeadId": "reference",
        "ContactId": "reference", "Status": "picklist", "HasResponded": "boolean",
        "FirstRespondedDate": "date", **_PERSON, _MULTI: "picklist", **_STAMPS,
    }, soft=False),
    Sobject("User", {
        "Id": "id", **_PERSON, "Username": "string", "IsActive": "boolean", **_STAMPS,
    }, soft=False),
    Sobject("Organization", {
        "Id": "id", "Name": "string", "OrganizationType": "picklist", "IsSandbox": "boolean",
        "InstanceName": "string", "TimeZoneSidKey": "picklist", "DefaultLocaleSidKey": "picklist",
        "LanguageLocaleKey": "picklist", "CreatedDate": "datetime",
    }, soft=False),
    Sobject("CurrencyType", {
        "Id": "id", "IsoCode": "picklist", "IsCorporate": "boolean", "IsActive": "boolean",
        "ConversionRate": "double", "DecimalPlaces": "int",
    }, soft=False),
)  # fmt: skip
OBJECTS: Final = {one.name: one for one in _ALL}
BY_LOWER: Final = {name.lower(): one for name, one in OBJECTS.items()}
