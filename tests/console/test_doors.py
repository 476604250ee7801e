"""Who gets in, who may what, and what is forged."""

import re

import pytest

from cloud import ack_links
from cloud.console.auth.accounts import Role
from tests.console.conftest import Client
from tests.console.stage import KEY, PASSWORD, Stage, event
from vitals.alarm_events import AlarmState, Inactivation, Phase


def audit(stage: Stage) -> list[tuple[str, str, str | None]]:
    return [(e.who, e.what, e.patient) for e in stage.parts.audit.read()]


def test_without_a_session_there_is_only_the_sign_in_page(client: Client) -> None:
    stranger = client()
    assert stranger.get("/").headers["location"] == "/signin"
    for path in (
        "/api/me",
        "/api/wards/icu",
        "/api/wards/icu/stream",
        "/api/patients/p-00001",
        "/api/users",
        "/fhir/Patient/p-00001",
    ):
        assert stranger.get(path).status_code == 401, path


def test_a_wrong_password_and_an_unknown_name_are_answered_alike_and_logged(client: Client, stage: Stage) -> None:
    client("bela", icu=Role.NURSE)
    stranger = client()
    pages = [stranger.post("/signin", data={"name": n, "password": "wrong"}) for n in ("bela", "nobody")]
    assert [p.status_code for p in pages] == [401, 401]
    assert pages[0].text == pages[1].text
    assert ("nobody", "sign-in-refused", None) in audit(stage)


def test_guessing_passwords_is_slowed_down_for_one_name_and_not_for_others(client: Client, stage: Stage) -> None:
    stage.user("bela", {"icu": Role.NURSE})
    stage.user("ruth", {"icu": Role.NURSE})
    stranger = client()
    codes = [stranger.post("/signin", data={"name": "bela", "password": f"no {k}"}).status_code for k in range(8)]
    assert codes == [401] * 6 + [429] * 2
    refused = stranger.post("/signin", data={"name": "bela", "password": PASSWORD})
    assert 0 < int(refused.headers["retry-after"]) <= 30
    assert stranger.post("/signin", data={"name": "ruth", "password": PASSWORD}).status_code == 303
    stage.ahead_ms += 31_000
    assert stranger.post("/signin", data={"name": "bela", "password": PASSWORD}).status_code == 303


def test_an_expired_session_is_signed_out(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.NURSE)
    assert bela.get("/api/wards/icu").status_code == 200
    stage.ahead_ms += 13 * 3_600_000
    assert bela.get("/api/wards/icu").status_code == 401
    assert bela.get("/").headers["location"] == "/signin"


def test_signing_out_ends_the_session_on_the_server(client: Client) -> None:
    bela = client("bela", icu=Role.NURSE)
    kept = dict(bela.cookies)
    assert bela.post("/signout", data={}).headers["location"] == "/signin"
    bela.cookies.update(kept)
    assert bela.get("/api/me").status_code == 401


def test_another_wards_patient_looks_like_no_patient_and_the_try_is_logged(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.NURSE)
    for path in (
        "/api/patients/p-00041",
        "/api/patients/p-00041/history",
        "/fhir/Patient/p-00041",
        "/fhir/Observation?patient=p-00041",
    ):
        foreign, unknown = bela.get(path), bela.get(path.replace("00041", "99999"))
        assert (foreign.status_code, unknown.status_code) == (404, 404), path
        assert foreign.text == unknown.text.replace("99999", "00041"), path
    assert bela.post("/api/patients/p-00041/discharge", json={"version": 1}).status_code == 404
    assert bela.get("/api/wards/med").status_code == 403
    assert bela.get("/api/wards/med/stream").status_code == 403
    assert ("bela", "refused", "p-00041") in audit(stage)
    assert stage.written("patients") == []


def test_a_viewer_sees_and_changes_nothing(client: Client, stage: Stage) -> None:
    viewer = client("vera", icu=Role.VIEWER)
    alarm = stage.alarm(event(stage.person("p-00001"), "spo2", stage.now(), "SpO2 84 % below 85 %"))
    stage.parts.feed.tick()
    version = viewer.get("/api/patients/p-00001").json()["admission"]["version"]
    tries = [
        viewer.post("/api/alarms/acknowledge", json={"alarm": alarm.id}),
        viewer.post("/api/alarms/pause", json={"alarm": alarm.id}),
        viewer.post("/api/patients/p-00001/chart", json={"oxygen": True}),
        viewer.post("/api/patients/p-00001/discharge", json={"version": version}),
        viewer.post(
            "/api/patients/p-00001/limits", json={"version": version, "profile": "adult", "scale2": False, "bounds": {}}
        ),
        viewer.put("/api/wards/icu/rota", json={"version": 1, "contacts": []}),
        viewer.get("/api/users"),
        viewer.get("/api/audit"),
    ]
    assert [t.status_code for t in tries] == [403] * len(tries)
    assert stage.written("actions") == stage.written("patients") == stage.written("contacts") == []


def test_an_action_without_the_sessions_secret_is_forged_and_does_nothing(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.NURSE)
    alarm = stage.alarm(event(stage.person("p-00001"), "spo2", stage.now(), "SpO2 84 % below 85 %"))
    stage.parts.feed.tick()
    body, good = {"alarm": alarm.id}, bela.headers["x-csrf"]
    for headers in (
        {"x-csrf": ""},
        {"x-csrf": "guess"},
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
    ):
        assert bela.post("/api/alarms/acknowledge", json=body, headers={"x-csrf": good} | headers).status_code == 403
    assert stage.written("actions") == []
    assert ("bela", "refused-forged", None) in audit(stage)
    assert bela.post("/api/alarms/acknowledge", json=body).status_code == 200
    assert [(a["act"], a["by"], a["alarm"]) for a in stage.written("actions")] == [("acknowledge", "bela", alarm.id)]


def test_an_api_key_reads_and_never_acts(client: Client, stage: Stage) -> None:
    root = client("ruth", everywhere=Role.ADMIN)
    client("robot", icu=Role.NURSE)
    key = root.post("/api/users/robot/key").json()["key"]
    robot = client()
    robot.headers["authorization"] = f"Bearer {key}"
    assert robot.get("/fhir/Patient/p-00001").status_code == 200
    assert robot.get("/fhir/Patient/p-00041").status_code == 404
    assert robot.post("/api/patients/p-00001/chart", json={"oxygen": True}).status_code == 403


def test_every_answer_has_the_security_headers_and_no_page_has_a_script_of_its_own(
    client: Client, stage: Stage
) -> None:
    bela = client("bela", icu=Role.NURSE)
    for path in (
        "/",
        "/signin",
        "/api/me",
        "/static/app.js",
        "/nowhere",
        "/a/nothing",
        "/fhir/metadata",
        "/static/offline.html",
    ):
        answer = bela.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store"), path
        if "html" in answer.headers["content-type"]:
            assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", answer.text), path
    cookie = client().post("/signin", data={"name": "bela", "password": PASSWORD}).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


def test_a_request_that_is_too_big_is_refused(client: Client) -> None:
    bela = client("bela", icu=Role.NURSE)
    assert bela.post("/api/patients", content=b"x" * 70_000).status_code == 413


def test_the_acknowledge_link_asks_and_only_its_button_acts(client: Client, stage: Stage) -> None:
    person = stage.person("p-00001")
    alarm = stage.alarm(event(person, "spo2", stage.now(), "SpO2 84 % below 85 %"))
    stage.parts.feed.tick()
    path = "/a/" + ack_links.sign_token(KEY, ack_links.AckToken(alarm.id, "nurse-icu", stage.now() + 60_000))
    scanner = client()
    asked = scanner.get(path)
    assert asked.status_code == 200
    assert stage.written("actions") == []
    # Whoever finds the phone does not learn who it is.
    assert not [word for word in (person.name, person.patient, person.phone, person.born) if word in asked.text]
    assert "HIGH priority" in asked.text
    shown = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asked.text))
    assert scanner.post(path, data=shown | {"act": "acknowledge"}).status_code == 200
    assert [(a["act"], a["by"], a["alarm"], a["patient"]) for a in stage.written("actions")] == [
        ("acknowledge", "nurse-icu", alarm.id, "p-00001")
    ]
    assert ("nurse-icu", "acknowledge", "p-00001") in audit(stage)


def test_a_link_of_an_acknowledged_alarm_names_who_did_it_as_text(client: Client, stage: Stage) -> None:
    alarm = stage.alarm(event(stage.person("p-00001"), "spo2", stage.now(), "SpO2 84 % below 85 %"))
    stage.change(alarm, inactivation=Inactivation.ACKNOWLEDGED, by="<b>Bela</b>")
    stage.parts.feed.tick()
    token = ack_links.sign_token(KEY, ack_links.AckToken(alarm.id, "nurse-icu", stage.now() + 60_000))
    assert "Already acknowledged by &lt;b&gt;Bela&lt;/b&gt;." in client().get(f"/a/{token}").text


def test_a_forged_a_foreign_and_an_expired_link_do_nothing(client: Client, stage: Stage) -> None:
    alarm = stage.alarm(event(stage.person("p-00001"), "spo2", stage.now(), "SpO2 84 % below 85 %"))
    stage.parts.feed.tick()
    good = ack_links.sign_token(KEY, ack_links.AckToken(alarm.id, "nurse-icu", stage.now() + 60_000))
    foreign = ack_links.sign_token(
        "another-key-of-at-least-32-letters", ack_links.AckToken(alarm.id, "nurse-icu", stage.now() + 60_000)
    )
    flipped = good[:-1] + ("A" if good[-1] != "A" else "B")
    old = ack_links.sign_token(KEY, ack_links.AckToken(alarm.id, "nurse-icu", stage.now() - 1000))
    phone = client()
    codes = [phone.post(f"/a/{token}").status_code for token in (foreign, flipped, "x", good + "A", old)]
    assert codes == [404, 404, 404, 404, 410]
    assert stage.written("actions") == []
    assert ("unknown", "refused-link", None) in audit(stage)


def test_m13_guessed_links_are_slowed_down_and_a_true_one_behind_the_same_address_is_not(
    client: Client, stage: Stage
) -> None:
    alarm = stage.alarm(event(stage.person("p-00001"), "spo2", stage.now(), "SpO2 84 % below 85 %"))
    stage.parts.feed.tick()
    phone = client()
    guesses = [phone.get(f"/a/{'A' * 29}{digit}").status_code for digit in "AQgw" * 7]
    assert (guesses[0], guesses[-1]) == (404, 429)
    path = "/a/" + ack_links.sign_token(KEY, ack_links.AckToken(alarm.id, "nurse-icu", stage.now() + 60_000))
    assert phone.get(path).status_code == 200
    assert phone.post(f"{path}/opened").status_code == 204
    assert phone.post(path, data={"act": "coming"}).status_code == 200
    # A true link has its own limit.
    assert 429 in [phone.get(path).status_code for _ in range(60)]


def test_a_proxy_that_the_settings_do_not_count_is_warned_of_once(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    phone = client()
    for _ in range(3):
        phone.get("/a/x", headers={"x-forwarded-for": "192.0.2.7"})
    assert len([r for r in caplog.records if "CONSOLE_PROXIES is 0" in r.message]) == 1


def test_the_link_of_an_alarm_that_is_over_says_so(client: Client, stage: Stage) -> None:
    alarm = stage.alarm(event(stage.person("p-00001"), "spo2", stage.now(), "SpO2 84 % below 85 %"))
    stage.change(alarm, phase=Phase.END, state=AlarmState.INACTIVE)
    stage.parts.feed.tick()
    token = ack_links.sign_token(KEY, ack_links.AckToken(alarm.id, "nurse-icu", stage.now() + 60_000))
    assert "is over" in client().post(f"/a/{token}").text
    assert stage.written("actions") == []


def test_a_forged_alarm_is_not_found(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.NURSE)
    foreign = stage.alarm(event(stage.person("p-00041"), "spo2", stage.now(), "SpO2 84 % below 85 %"))
    stage.parts.feed.tick()
    for alarm in ("p-00001.spo2.1", foreign.id, "", "x" * 2000):
        assert bela.post("/api/alarms/acknowledge", json={"alarm": alarm}).status_code in {404, 422}
    assert stage.written("actions") == []


def test_the_first_visitor_becomes_admin_by_the_printed_link_alone(client: Client, stage: Stage) -> None:
    visitor = client()
    assert visitor.get("/welcome/guess").status_code == 404
    path = f"/welcome/{stage.parts.accounts.create_invite(None, stage.now())}"
    assert "first administrator" in visitor.get(path).text
    short = visitor.post(path, data={"name": "root", "password": "short", "again": "short"})
    assert (short.status_code, "10 to 256" in short.text) == (422, True)
    assert visitor.post(path, data={"name": "root", "password": PASSWORD, "again": PASSWORD + "x"}).status_code == 422
    assert visitor.post(path, data={"name": "root", "password": PASSWORD, "again": PASSWORD}).status_code == 200
    assert visitor.get(path).status_code == 404
    assert visitor.post("/signin", data={"name": "root", "password": PASSWORD}).status_code == 303


@pytest.mark.parametrize("path", ["/signin", "/welcome/x", "/a/x"])
def test_a_form_from_another_sites_page_is_refused(client: Client, path: str) -> None:
    assert client().post(path, data={}, headers={"origin": "https://evil.example"}).status_code == 403
