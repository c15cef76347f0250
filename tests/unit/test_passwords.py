"""Passwords: slow hashes, and new ones that are hard to guess."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest

from liftos_app.errors import Invalid, Unavailable
from liftos_app.services import passwords

GOOD = "kettle violin harbour 29"
pytestmark = pytest.mark.usefixtures("real_hashes")


def refusal(password: str, *about: str) -> str:
    with pytest.raises(Invalid) as caught:
        passwords.check_new(password, about=about)
    assert caught.value.facts["field"] == "password"
    assert caught.value.why
    return str(caught.value.facts["reason"])


def test_L22_L23_a_hash_is_argon2id_with_the_promised_cost_and_fits_only_its_password() -> None:
    stored = passwords.make_hash(GOOD)
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.fits(GOOD, stored)
    assert not passwords.fits(GOOD + " ", stored)
    assert not passwords.fits(GOOD.upper(), stored)
    assert not passwords.is_outdated(stored)


def test_L22_weaker_parameters_are_outdated() -> None:
    from argon2 import PasswordHasher

    weak = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1).hash(GOOD)
    assert passwords.fits(GOOD, weak)
    assert passwords.is_outdated(weak)


@pytest.mark.parametrize("stored", ["", passwords.UNUSABLE, "$argon2id$broken", "plain", GOOD])
def test_an_unusable_hash_fits_nothing(stored: str) -> None:
    assert not passwords.fits(GOOD, stored)
    assert not passwords.fits("", stored)
    assert not passwords.is_outdated("plain")


def test_an_unknown_person_takes_as_long_as_a_known_one() -> None:
    stored = passwords.make_hash(GOOD)
    passwords.fits(GOOD, "")  # makes the dummy hash

    def seconds(hash_: str) -> float:
        best = 9.0
        for _ in range(3):
            start = time.process_time()
            passwords.fits("a wrong one", hash_)
            best = min(best, time.process_time() - start)
        return best

    known, unknown = seconds(stored), seconds("")
    assert 0.5 < known / unknown < 2  # processor time: other work on the machine does not count


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", "password_short"),
        ("x" * 14, "password_short"),
        ("a1" * 70, "password_long"),
        ("violin\x00kettle harbour", "password_odd"),
        ("aaaaaaaaaaaaaaaa", "password_repeats"),
        ("abcabcabcabcabcabc", "password_repeats"),
        ("1234512345123451", "password_repeats"),
        ("passwordpassword", "password_about_you"),
        ("liftos-admin-2026", "password_about_you"),
        ("Larkspur-Home-2026!", "password_about_you"),
        ("ann.example.1984!", "password_about_you"),
        ("123456789012345", "password_common"),
        ("qwertyuiopasdfghjkl", "password_common"),
        ("Summer2026Summer2026", "password_common"),
        ("iloveyouiloveyou1", "password_common"),
        ("Dr4gonM0nkey!!!!!", "password_common"),
        ("monkey123456789!!", "password_common"),
    ],
)
def test_L23_L24_easy_passwords_are_refused_with_their_reason(password: str, reason: str) -> None:
    assert refusal(password, "ann.example@larkspur.com", "Larkspur Home", "Ann") == reason


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "kettleviolinharbour",
        "Straßenbahn fährt grün",
        "пароль длинный и хороший",
        "四季折々の美しい風景を眺める旅へ",
        "t7#Kp2!vQz9$Lm4x",
        "correct horse battery staple",
        "x" + "9" * 3 + "k2j4h5g6f7d8s",
        GOOD * 5,
    ],
)
def test_L23_long_unrelated_words_in_any_language_are_welcome(password: str) -> None:
    passwords.check_new(password, about=("ann@larkspur.com", "Larkspur Home", "Ann"))


@pytest.mark.timeout(10)
def test_a_full_length_password_does_not_take_for_ever() -> None:
    passwords.check_new("sunmoonstar" * 11 + " z", about=())


@pytest.mark.parametrize(("cores", "hashes"), [(1, 1), (2, 1), (4, 3), (64, 4)])
def test_L22_hashes_leave_a_core_free_and_are_four_at_most(cores: int, hashes: int) -> None:
    assert passwords.at_once(cores) == hashes


def test_L22_hashes_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock = 0, 0, threading.Lock()

    class Counting:
        def verify(self, *_: str) -> bool:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.05)
            with lock:
                running -= 1
            return True

    stored = "$argon2id$stand-in"
    monkeypatch.setattr(passwords, "_HASHER", Counting())
    threads = [threading.Thread(target=passwords.fits, args=(GOOD, stored)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == passwords.at_once(os.cpu_count() or 1)


def test_L22_who_waits_too_long_is_told_and_leaves_the_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on, hashed = threading.Event(), []

    class Slow:
        def hash(self, password: str) -> str:
            go_on.wait(10)
            hashed.append(password)
            return password

    monkeypatch.setattr(passwords, "_HASHER", Slow())
    crowd = [threading.Thread(target=passwords.make_hash, args=("crowd",)) for _ in range(4)]
    for thread in crowd:
        thread.start()
    while passwords._POOL._work_queue.qsize() < 4 - passwords.at_once(os.cpu_count() or 1):
        time.sleep(0.001)
    monkeypatch.setattr(passwords, "_PATIENCE_SECONDS", 0.05)
    with pytest.raises(Unavailable, match="Sign-in is busy"):
        passwords.make_hash("late")
    go_on.set()
    for thread in crowd:
        thread.join()
    assert passwords.make_hash("next") == "next"
    assert "late" not in hashed


@pytest.mark.skipif(sys.platform != "linux", reason="priority counts by thread on Linux only")
def test_L22_hashes_run_at_a_lower_priority_than_everything_else() -> None:
    mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    theirs = passwords._in_turn(
        lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    )
    assert theirs == min(19, mine + 5)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == mine


def test_the_bundled_list_is_clean() -> None:
    words = sorted(passwords._common())
    assert len(words) > 900
    assert all(w == w.lower() and w.isascii() for w in words)
