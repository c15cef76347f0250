"""The sandbox: one invented advertiser and imitations of the platforms it uses. See README.md."""
