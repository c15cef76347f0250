"""The one place that names the version of HubSpot's interface; it stands in every path."""

VERSION = "2026-09"
