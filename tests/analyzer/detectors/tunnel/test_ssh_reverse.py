"""The findings: what they say, how sure they are, and what they admit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from analyzer.detectors.tunnel.ssh_reverse import SshReverse
from analyzer.model import Category, Severity
from tests.analyzer.detectors.tunnel import ssh_benign, ssh_uses
from tests.analyzer.detectors.tunnel import ssh_sessions as ssh
from tests.analyzer.detectors.tunnel.ssh_sessions import CIPHERS, Session
from tests.builders import context

if TYPE_CHECKING:
    from analyzer.model import Finding
    from tests.analyzer.detectors.tunnel.ssh_uses import Use
    from tests.conftest import CheckFinding

ALARM = 0.5


def judge(session: Session, **observed: Any) -> list[Finding]:
    return list(SshReverse().run(session.observed(**observed), context()))


def played(use: Use, **how: Any) -> Session:
    session = Session(**how)
    session.login()
    use(session)
    return session


def used(session: Session, times: int = 1) -> Session:
    for _ in range(times):
        session.server(ssh.FORWARDED, after_ms=1500)
        session.client(ssh.CONFIRMATION)
    return session


def test_a_forward_is_an_alarm_before_it_is_used(check_finding: CheckFinding) -> None:
    (found,) = judge(played(ssh_uses.reverse_after_greeting))

    check_finding(found.to_dict())
    assert (found.category, found.severity) == (Category.REVERSE_TUNNEL, Severity.MEDIUM)
    assert 0.8 < found.confidence < 0.9
    assert found.title == ("10.0.0.5 holds a reverse SSH tunnel to 203.0.113.9:22, not used so far")
    assert "a use after the end of the capture" in found.not_visible


def test_the_reason_can_be_checked_frame_by_frame() -> None:
    session = played(ssh_uses.reverse, rtt_ms=40)
    sizes = {row["frame"]: row["size"] for row in session.token_rows()}

    (found,) = judge(session)

    reason = found.evidence[1]
    assert [sizes[frame] for frame in reason.packets] == [28, 68, 28]
    assert "sends 68 bytes and the server answers with 28 bytes 4" in reason.summary
    assert "under chacha20-poly1305" in reason.summary
    assert "a channel would be answered with 44" in reason.summary
    named = [found.attributes[f"{part}_frame"] for part in ("login", "request", "answer")]
    assert named == list(reason.packets)
    assert found.attributes["bytes_are_of"] == "TCP segments"
    assert found.attributes["bind_address_length"] == [9, 16]
    steps = ", ".join(str(frame) for frame in reason.packets)
    assert any(f"tcp.len of frames {steps}" in step for step in found.next_steps)


@pytest.mark.parametrize(("times", "words"), [(1, "used once"), (3, "used 3 times")])
def test_use_raises_it_to_high(times: int, words: str, check_finding: CheckFinding) -> None:
    (found,) = judge(used(played(ssh_uses.reverse), times))

    check_finding(found.to_dict())
    assert found.severity is Severity.HIGH
    assert found.confidence > 0.97
    assert found.title.endswith(words)
    assert found.attributes["channels_opened"] == times
    assert len(found.attributes["channel_frames"]) == times
    assert "the speed of the inside" in found.evidence[2].summary


def test_far_from_the_client_nobody_is_said_to_answer_at_local_speed() -> None:
    (near,) = judge(used(played(ssh_uses.reverse, client_rtt_ms=0.5)))
    (afar,) = judge(used(played(ssh_uses.reverse, client_rtt_ms=90.0, rtt_ms=3.0)))

    assert afar.confidence < near.confidence
    assert "speed of the inside" not in afar.evidence[2].summary
    assert any("not near the client" in clause for clause in afar.not_visible)


def test_a_refused_use_says_that_somebody_tried() -> None:
    session = played(ssh_uses.reverse)
    session.server(ssh.FORWARDED, after_ms=1500)
    session.client(ssh.REFUSED)

    (found,) = judge(session)

    assert found.severity is Severity.MEDIUM
    assert found.attributes["channels_refused"] == 1
    assert "which nothing inside accepts" in found.evidence[2].summary


def test_a_likely_refusal_is_said() -> None:
    (found,) = judge(played(ssh_uses.reverse_refused))

    assert found.title.endswith("which is likely refused")
    assert found.attributes["refused_likely"] is True


@pytest.mark.parametrize("cipher", CIPHERS)
def test_it_is_an_alarm_under_every_suite(cipher: str) -> None:
    (found,) = judge(played(ssh_uses.reverse, cipher=CIPHERS[cipher]))

    assert found.confidence >= ALARM


def test_wide_padding_and_compression_make_it_less_sure() -> None:
    (narrow,) = judge(played(ssh_uses.reverse))
    (wide,) = judge(played(ssh_uses.reverse, cipher=CIPHERS["aes-gcm"]))
    (packed,) = judge(played(ssh_uses.reverse, compressed=True))

    assert narrow.confidence > wide.confidence > packed.confidence >= ALARM


def test_what_was_not_captured_makes_it_less_sure() -> None:
    (found,) = judge(played(ssh_uses.reverse, cipher=CIPHERS["aes-gcm"], missing=900))

    assert found.confidence < ALARM
    assert any("900 bytes" in clause for clause in found.not_visible)


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_first_message_that_may_be_a_heartbeat_is_no_alarm(cipher: str) -> None:
    session = Session(cipher=CIPHERS[cipher])
    session.login()
    for _ in range(2):
        session.client(ssh.global_request("keepalive@sshd.apache.org"), after_ms=30_000)
        session.server(ssh.FAILURE)

    assert [found.confidence >= ALARM for found in judge(session, to="203.0.113.9:443")] in (
        [],
        [False],
    )


def test_another_port_than_22_adds_to_it() -> None:
    session = played(ssh_uses.reverse)

    (usual,), (other,) = judge(session), judge(session, to="203.0.113.9:443")

    assert other.confidence > usual.confidence
    assert any("SSH on port 443, not 22" in reason.summary for reason in other.evidence)


def test_several_forwards_are_said() -> None:
    (found,) = judge(played(ssh_uses.reverse_thrice))

    assert found.attributes["forwards"] == 3
    assert any("3 forwards" in reason.summary for reason in found.evidence)


# --- rule D -----------------------------------------------------------------------------------


def test_a_connection_opened_by_its_server_is_a_reverse_shell(check_finding: CheckFinding) -> None:
    session = Session()

    (found,) = judge(session, roles="reversed")

    check_finding(found.to_dict())
    assert found.severity is Severity.HIGH
    assert found.confidence > 0.99
    assert found.title == (
        "10.0.0.5 connects to 203.0.113.9:22 and serves SSH over it: a reverse shell"
    )
    assert found.evidence[1].packets == (9, 10, 12)


def test_without_syn_reversed_roles_are_less_sure() -> None:
    (seen,) = judge(Session(), roles="reversed", initiator_by="syn")
    (guessed,) = judge(Session(), roles="reversed", initiator_by="port")

    assert seen.confidence > guessed.confidence >= ALARM


@pytest.mark.parametrize("roles", ["normal", "unknown"])
def test_plain_sessions_give_nothing(roles: str) -> None:
    assert judge(played(ssh_benign.shell), roles=roles) == []


def test_a_suite_that_is_not_known_still_shows_reversed_roles() -> None:
    session = Session()
    observed = session.observed(roles="reversed")
    table = observed.arrow("ssh")
    blank = table.set_column(table.schema.get_field_index("framing_up"), "framing_up", [[""]])
    observed._arrow["ssh"] = blank

    (found,) = SshReverse().run(observed, context())

    assert "server_rtt_ms" not in found.attributes
