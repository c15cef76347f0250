"""The one place that names the version of TikTok's interface."""

VERSION = "v1.3"  # current since 2022-08-15; TikTok names no end
ROOT = f"/open_api/{VERSION}"
