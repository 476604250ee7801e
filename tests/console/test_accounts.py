"""Users, sessions and one-time links; the audit log."""

import sqlite3
from pathlib import Path

import argon2
import pytest

from cloud.console.auth.accounts import ANY, SHORTEST, TICKET_MS, AccountError, Accounts, Role, Spans
from cloud.console.auth.audit_log import Audit, Entry, Wanted

T0 = 1_763_812_800_000
PASSWORD = "correct horse battery"  # noqa: S105 - of nobody
SPANS = Spans(session_ms=12 * 3_600_000, idle_ms=3_600_000)


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    cheap = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return Accounts(tmp_path / "accounts.sqlite", SPANS, cheap)


def first(accounts: Accounts) -> None:
    accounts.set_password(accounts.create_invite(None, T0), "root", PASSWORD, T0)


def test_a_fresh_house_has_no_user_and_no_default_password(accounts: Accounts) -> None:
    assert accounts.empty()
    assert all(accounts.sign_in(n, p, T0) is None for n in ("admin", "root", "") for p in ("", "admin", "password"))


def test_the_first_link_makes_an_admin_of_all_wards_and_works_once(accounts: Accounts) -> None:
    link = accounts.create_invite(None, T0)
    accounts.set_password(link, "root", PASSWORD, T0)
    opened = accounts.sign_in("root", PASSWORD, T0)
    assert opened is not None
    assert opened[1].may(Role.ADMIN, None)
    with pytest.raises(AccountError, match="used"):
        accounts.set_password(link, "other", PASSWORD, T0)


def test_a_link_holds_for_a_day_and_a_newer_one_replaces_it(accounts: Accounts) -> None:
    old, new = accounts.create_invite(None, T0), accounts.create_invite(None, T0 + 1)
    assert accounts.holder(old, T0 + 1) == (False, None)
    assert accounts.holder(new, T0 + TICKET_MS)[0]
    assert not accounts.holder(new, T0 + 1 + TICKET_MS)[0]


@pytest.mark.parametrize(
    ("name", "password"), [("root", "x" * (SHORTEST - 1)), ("<b>", PASSWORD), ("roootroooot", "Roootroooot")]
)
def test_a_short_password_the_name_as_password_and_markup_as_a_name_are_refused(
    accounts: Accounts, name: str, password: str
) -> None:
    with pytest.raises(AccountError):
        accounts.set_password(accounts.create_invite(None, T0), name, password, T0)
    assert accounts.empty()


def test_a_session_ends_after_a_shift_and_when_no_page_has_been_open_for_an_hour(accounts: Accounts) -> None:
    first(accounts)
    opened = accounts.sign_in("root", PASSWORD, T0)
    assert opened is not None
    token, hour = opened[0], 3_600_000
    for k in range(1, 12):
        assert accounts.user_of_session(token, T0 + k * hour - k) is not None
    assert accounts.user_of_session(token, T0 + 12 * hour) is None
    again = accounts.sign_in("root", PASSWORD, T0)
    assert again is not None
    assert accounts.user_of_session(again[0], T0 + hour) is None


def test_roles_are_per_ward_and_a_user_without_any_is_shut_out_at_once(accounts: Accounts) -> None:
    first(accounts)
    accounts.grant("bela", {"icu": Role.NURSE, "med": Role.VIEWER})
    accounts.set_password(accounts.create_invite("bela", T0), "bela", PASSWORD, T0)
    opened = accounts.sign_in("bela", PASSWORD, T0)
    assert opened is not None
    token, bela = opened
    assert [bela.may(Role.NURSE, w) for w in ("icu", "med", "surgery")] == [True, False, False]
    assert not bela.may(Role.VIEWER, None)
    accounts.grant("bela", {})
    assert accounts.user_of_session(token, T0) is None
    assert accounts.sign_in("bela", PASSWORD, T0) is None


def test_somebody_stays_admin_of_all_wards(accounts: Accounts) -> None:
    first(accounts)
    with pytest.raises(AccountError, match="admin of all wards"):
        accounts.grant("root", {"icu": Role.ADMIN})
    assert {n: r for n, r, _ in accounts.users()}["root"] == {ANY: Role.ADMIN}


def test_what_opens_a_door_is_on_disk_as_a_hash_alone(accounts: Accounts, tmp_path: Path) -> None:
    link = accounts.create_invite(None, T0)
    accounts.set_password(link, "root", PASSWORD, T0)
    opened = accounts.sign_in("root", PASSWORD, T0)
    assert opened is not None
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not [secret for secret in (link, PASSWORD, opened[0]) if secret.encode() in content]
    assert (tmp_path / "accounts.sqlite").stat().st_mode & 0o077 == 0


def test_the_audit_log_only_grows(tmp_path: Path) -> None:
    audit = Audit(tmp_path / "audit.sqlite")
    audit.add(Entry(T0, "bela", "127.0.0.1", "view-patient", "icu", "p-1"))
    audit.add(Entry(T0 + 1, "bela", "127.0.0.1", "acknowledge", "icu", "p-2"))
    with sqlite3.connect(tmp_path / "audit.sqlite") as db:
        for statement in ("UPDATE audit SET who = 'nobody'", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                db.execute(statement)
    db.close()
    assert [e.what for e in audit.read()] == ["acknowledge", "view-patient"]
    assert [e.patient for e in audit.read(Wanted(patient="p-1"))] == ["p-1"]
