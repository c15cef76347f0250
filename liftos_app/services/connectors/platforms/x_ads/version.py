"""The one place that names the version of X's Ads API."""

VERSION = "12"  # since 2022-10-27; X names no end
