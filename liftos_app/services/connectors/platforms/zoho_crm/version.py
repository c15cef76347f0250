"""The one place that names the version of Zoho CRM's interface. No end of it is announced."""

VERSION = "v8"
API = f"/crm/{VERSION}"
BULK = f"/crm/bulk/{VERSION}/read"
