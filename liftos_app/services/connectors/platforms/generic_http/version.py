"""There is no vendor and no version: the contract is ours."""

VERSION = "1"
