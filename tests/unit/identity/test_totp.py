"""Codes of an authenticator app: the vectors of RFC 6238 and RFC 4226, and the window."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from liftos_app.services import totp

SEEDS = {
    "sha1": b"12345678901234567890",
    "sha256": b"12345678901234567890123456789012",
    "sha512": b"1234567890123456789012345678901234567890123456789012345678901234",
}


@pytest.mark.parametrize(("seconds", "algorithm", "code"), [
    (59, "sha1", "94287082"), (59, "sha256", "46119246"), (59, "sha512", "90693936"),
    (1111111109, "sha1", "07081804"), (1111111109, "sha256", "68084774"),
    (1111111109, "sha512", "25091201"), (1111111111, "sha1", "14050471"),
    (1111111111, "sha256", "67062674"), (1111111111, "sha512", "99943326"),
    (1234567890, "sha1", "89005924"), (1234567890, "sha256", "91819424"),
    (1234567890, "sha512", "93441116"), (2000000000, "sha1", "69279037"),
    (2000000000, "sha256", "90698825"), (2000000000, "sha512", "38618901"),
    (20000000000, "sha1", "65353130"), (20000000000, "sha256", "77737706"),
    (20000000000, "sha512", "47863826"),
])
def test_L26_the_vectors_of_rfc_6238(seconds: int, algorithm: str, code: str) -> None:
    seed = base64.b32encode(SEEDS[algorithm]).decode().rstrip("=")
    assert totp.code_at(seed, seconds // 30, digits=8, algorithm=algorithm) == code


@pytest.mark.parametrize(("counter", "code"), list(enumerate(
    ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
     "520489"]
)))
def test_L26_the_vectors_of_rfc_4226(counter: int, code: str) -> None:
    assert totp.code_at(base64.b32encode(SEEDS["sha1"]).decode(), counter) == code


@pytest.mark.parametrize(("late", "fits"), [(-2, False), (-1, True), (0, True), (1, True),
                                            (2, False)])
def test_L26_one_step_of_difference_is_forgiven(late: int, fits: bool) -> None:
    now, seed = datetime(2026, 11, 23, 12, 0, 10, tzinfo=UTC), totp.new_seed()
    step = totp.step_of(now) + late
    assert totp.matching_step(seed, totp.code_at(seed, step), now) == (step if fits else None)


def test_L26_a_seed_has_160_bits_and_an_address_apps_read() -> None:
    seed = totp.new_seed()
    assert len(base64.b32decode(seed)) == 20
    assert totp.new_seed() != seed
    assert totp.address(seed, account="a b@example.com", issuer="LiftOS") == (
        f"otpauth://totp/LiftOS:a%20b%40example.com?secret={seed}&issuer=LiftOS&digits=6&period=30"
    )
