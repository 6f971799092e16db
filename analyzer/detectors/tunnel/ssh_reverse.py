"""Finds reverse tunnels in SSH: a remote forward asked for, one that is used, reversed roles.

No content is needed: the sizes of a few packets right after login, and who answers whom how fast,
give a remote forward away in every cipher and on every port. A connection whose TCP client plays
the SSH server shows it in clear.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from analyzer.detectors.base import Context, DetectorMeta, make_finding
from analyzer.detectors.evidence import Case
from analyzer.detectors.tunnel.ssh_connection import NS_PER_MS, Connection, connection_of
from analyzer.detectors.tunnel.ssh_forward import find_early
from analyzer.detectors.tunnel.ssh_late import find_late
from analyzer.detectors.tunnel.ssh_messages import OPEN_CONFIRMATION
from analyzer.detectors.tunnel.ssh_use import Use, find_uses
from analyzer.model import Category, Severity
from analyzer.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from analyzer.detectors.tunnel.ssh_messages import Request
    from analyzer.model import Finding
    from analyzer.observations import Flow, Observations

PRIOR = -4.6
"""One in a hundred: SSH connections of a cluster that carry a remote forward."""
REQUEST_PLAIN = 6.0
"""Nothing else has an answer of this size at this place; 0 of 75 other sessions in the lab did."""
REQUEST_WIDE_PADDING = 5.3
"""With padding to 16 bytes more messages share a size, and place and time must tell them apart."""
REQUEST_COMPRESSED = 5.1
REQUEST_LATE = 5.1
REQUEST_DOUBTFUL = 3.7
"""With wide padding or compression: where bytes are missing, what came before the answer may not be
what it looks like; and the first message of a quiet connection may be a program's keepalive."""
SEVERAL_FORWARDS = 0.5
USED = 3.0
USED_AFAR = 1.5
"""From a capture point that is not near the client nobody is seen to answer at local speed."""
USED_AGAIN = 1.0
TRIED_INSIDE = 1.5
REVERSED_ROLES = 10.0
REVERSED_ROLES_MIDSTREAM = 5.0
"""Without SYN it is a guess who opened the connection."""
OTHER_PORT = 0.5
LEAVES = 0.3
CAPS = {"size": 7.0, "behaviour": 5.0, "protocol": 10.0}
SSH_PORT = 22
CHANNELS_LISTED = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """What one SSH connection showed."""

    flow: Flow
    ssh: Mapping[str, Any]
    connection: Connection | None
    request: Request | None
    uses: Sequence[Use]

    @property
    def is_reversed(self) -> bool:
        """The side that opened the connection plays the SSH server."""
        return bool(self.ssh["roles"] == "reversed")

    @property
    def accepted(self) -> list[Use]:
        """Channels the client confirmed."""
        return [use for use in self.uses if use.accepted]


@dataclass(frozen=True, slots=True)
class SshReverse:
    """Finds reverse tunnels in SSH."""

    meta: ClassVar[DetectorMeta] = DetectorMeta(
        id="tunnel.ssh_reverse",
        version=1,
        title="a reverse tunnel inside SSH",
        category=Category.REVERSE_TUNNEL,
        needs=frozenset({"ssh"}),
        attack=("T1572", "T1090", "T1021.004"),
    )

    def run(self, observations: Observations, context: Context) -> Iterator[Finding]:
        """Yields one finding for each SSH connection that carries a reverse tunnel."""
        del context
        for flow_id in observations.flow_ids("ssh"):
            flow = observations.flow(flow_id)
            for ssh in observations.rows("ssh", flow_id)[:1]:
                tunnel = _tunnel(flow, ssh, observations.rows("ssh_tokens", flow_id))
                if tunnel.request or tunnel.is_reversed:
                    yield self._finding(observations, tunnel)

    def _finding(self, observations: Observations, tunnel: Tunnel) -> Finding:
        case = Case(
            prior=PRIOR,
            prior_summary="before any reason: one in a hundred SSH connections forwards in reverse",
            caps=CAPS,
        )
        _add_roles(case, tunnel)
        _add_request(case, tunnel)
        _add_uses(case, tunnel)
        _add_context(case, tunnel, observations)
        return make_finding(
            self.meta,
            observations,
            case,
            [tunnel.flow],
            title=_title(tunnel),
            severity=_severity(tunnel),
            attributes=_attributes(tunnel),
            not_visible=_not_visible(tunnel),
            next_steps=_next_steps(tunnel),
        )


def _tunnel(flow: Flow, ssh: Mapping[str, Any], tokens: Sequence[Mapping[str, Any]]) -> Tunnel:
    connection = connection_of(flow, ssh, tokens)
    request = (find_early(connection) or find_late(connection)) if connection else None
    uses = find_uses(connection, request) if connection and request else []
    return Tunnel(flow=flow, ssh=ssh, connection=connection, request=request, uses=uses)


def _add_roles(case: Case, tunnel: Tunnel) -> None:
    if not tunnel.is_reversed:
        return
    sure = tunnel.flow.initiator_by in ("syn", "syn_ack")
    ssh = tunnel.ssh
    text = (
        f"{tunnel.flow.src_ip} opened the connection but plays the SSH server: it answers the key "
        f"exchange that {tunnel.flow.dst_ip} begins"
    )
    frames = [ssh["kexinit_frame_up"], ssh["kexinit_frame_down"], ssh["newkeys_frame_up"]]
    weight = REVERSED_ROLES if sure else REVERSED_ROLES_MIDSTREAM
    case.add("protocol", text, weight, frames=frames)


def _add_request(case: Case, tunnel: Tunnel) -> None:
    request, connection = tunnel.request, tunnel.connection
    if request is None or connection is None:
        return
    frames = [request.login.frame, request.asked.frame, request.answer.frame]
    weight = _request_weight(request, connection)
    case.add("size", _request_text(tunnel, request, connection), weight, frames=frames)
    if request.forwards > 1:
        text = f"{request.forwards} forwards are asked for"
        case.add("size", text, SEVERAL_FORWARDS, frames=[request.asked.frame])


def _request_text(tunnel: Tunnel, request: Request, connection: Connection) -> str:
    asked, answer = request.asked, request.answer
    since = _ms(asked.ts_ns - request.login.ts_ns)
    place = "in the middle of the session" if request.late else f"{since} ms after login"
    channel = connection.server.wire(OPEN_CONFIRMATION)
    instead = "" if connection.compressed else f", where a channel would be answered with {channel}"
    return (
        f"{place} the client sends {asked.size} bytes and the server answers with {answer.size} "
        f"bytes {_ms(answer.ts_ns - asked.ts_ns)} ms later: under {_suite_name(tunnel.ssh)} the "
        f"sizes of a request for a remote forward (-R) and of the answer to one{instead}"
    )


def _request_weight(request: Request, connection: Connection) -> float:
    is_narrow = connection.tells_answers_apart and not request.compressed
    if not is_narrow and (connection.lossy or request.is_delayed):
        return REQUEST_DOUBTFUL
    if request.compressed:
        return REQUEST_COMPRESSED
    if request.late:
        return REQUEST_LATE
    return REQUEST_PLAIN if is_narrow else REQUEST_WIDE_PADDING


def _add_uses(case: Case, tunnel: Tunnel) -> None:
    accepted, connection = tunnel.accepted, tunnel.connection
    refused = [use for use in tunnel.uses if not use.accepted]
    if accepted and connection:
        is_near = connection.is_near_client
        text = (
            f"{_channels(accepted)} ({accepted[0].opened.size} bytes), which the client confirms "
            f"({accepted[0].answer.size} bytes) after {_ms(_median_ns(accepted))} ms"
        )
        text += ", the speed of the inside" if is_near else ""
        weight = USED if is_near else USED_AFAR
        case.add("behaviour", text, weight, frames=_frames_of(accepted))
        if len(accepted) > 1:
            text = "channels are opened from outside again and again"
            case.add("behaviour", text, USED_AGAIN, frames=_frames_of(accepted[1:]))
    elif refused:
        text = f"{_channels(refused)}, which nothing inside accepts"
        case.add("behaviour", text, TRIED_INSIDE, frames=_frames_of(refused))


def _channels(uses: Sequence[Use]) -> str:
    return f"the server opens {len(uses)} channel{'' if len(uses) == 1 else 's'} towards the inside"


def _frames_of(uses: Sequence[Use]) -> list[int]:
    return [frame for use in uses for frame in (use.opened.frame, use.answer.frame)]


def _median_ns(uses: Sequence[Use]) -> int:
    return sorted(use.took_ns for use in uses)[len(uses) // 2]


def _ms(time_ns: int) -> str:
    return f"{time_ns / NS_PER_MS:.1f}"


def _suite_name(ssh: Mapping[str, Any]) -> str:
    return " with ".join(
        name.partition("@")[0] for name in (ssh["cipher_up"], ssh["mac_up"]) if name
    )


def _add_context(case: Case, tunnel: Tunnel, observations: Observations) -> None:
    flow = tunnel.flow
    if flow.dst_port != SSH_PORT:
        case.add("context", f"SSH on port {flow.dst_port}, not {SSH_PORT}", OTHER_PORT)
    if observations.is_inside(flow.src_ip) and not observations.is_inside(flow.dst_ip):
        case.add("context", f"it leaves the inside for {flow.dst_ip}", LEAVES)


def _severity(tunnel: Tunnel) -> Severity:
    return Severity.HIGH if tunnel.accepted or tunnel.is_reversed else Severity.MEDIUM


def _title(tunnel: Tunnel) -> str:
    flow, request = tunnel.flow, tunnel.request
    where = f"{flow.dst_ip}:{flow.dst_port}"
    if tunnel.is_reversed:
        return f"{flow.src_ip} connects to {where} and serves SSH over it: a reverse shell"
    if request and request.refused_likely and not tunnel.uses:
        return f"{flow.src_ip} asks {where} for a reverse SSH tunnel, which is likely refused"
    if tunnel.accepted:
        count = len(tunnel.accepted)
        times = "once" if count == 1 else f"{count} times"
        return f"{flow.src_ip} holds a reverse SSH tunnel to {where}, used {times}"
    return f"{flow.src_ip} holds a reverse SSH tunnel to {where}, not used so far"


def _attributes(tunnel: Tunnel) -> dict[str, object]:
    ssh, request, connection = tunnel.ssh, tunnel.request, tunnel.connection
    return {
        "client_software": ssh["client_banner"],
        "server_software": ssh["server_banner"],
        "hassh": ssh["hassh"],
        "hassh_server": ssh["hassh_server"],
        "kex": ssh["kex"],
        "host_key": ssh["host_key"],
        "cipher": ssh["cipher_up"],
        "mac": ssh["mac_up"],
        "compression": ssh["comp_up"],
        "carrier": ssh["carrier"],
        "roles": ssh["roles"],
        "rules": [
            name
            for name, holds in (
                ("requested", request is not None),
                ("used", bool(tunnel.accepted)),
                ("roles_reversed", tunnel.is_reversed),
            )
            if holds
        ],
        **(_request_attributes(request) if request else {}),
        "channels_opened": len(tunnel.accepted),
        "channels_refused": sum(not use.accepted for use in tunnel.uses),
        "channel_frames": [use.opened.frame for use in tunnel.uses[:CHANNELS_LISTED]],
        "first_use": rfc3339(tunnel.uses[0].opened.ts_ns) if tunnel.uses else "",
        "last_use": rfc3339(tunnel.uses[-1].opened.ts_ns) if tunnel.uses else "",
        "server_rtt_ms": round(connection.server_rtt_ns / NS_PER_MS, 3) if connection else None,
        "client_rtt_ms": round(connection.client_rtt_ns / NS_PER_MS, 3) if connection else None,
    }


def _request_attributes(request: Request) -> dict[str, object]:
    bind = request.bind_length
    return {
        "requested_at": rfc3339(request.asked.ts_ns),
        "login_frame": request.login.frame,
        "request_frame": request.asked.frame,
        "request_bytes": request.asked.size,
        "answer_frame": request.answer.frame,
        "answer_bytes": request.answer.size,
        "answer_ms": round((request.answer.ts_ns - request.asked.ts_ns) / NS_PER_MS, 3),
        "bytes_are_of": "SSH packets" if request.asked.exact else "TCP segments",
        "forwards": request.forwards,
        "bind_address_length": list(bind) if bind else None,
        "late": request.late or None,
        "refused_likely": request.refused_likely or None,
    }


def _not_visible(tunnel: Tunnel) -> list[str]:
    hidden = ["what runs through the tunnel is encrypted"]
    if tunnel.request:
        hidden.append("which address and port the forward binds and leads to")
        if not tunnel.uses:
            hidden.append("a use after the end of the capture")
    if tunnel.connection and not tunnel.connection.is_near_client:
        hidden.append("who answers at local speed: the capture point is not near the client")
    if tunnel.ssh["missing_up"] or tunnel.ssh["missing_down"]:
        missing = tunnel.ssh["missing_up"] + tunnel.ssh["missing_down"]
        hidden.append(f"{missing} bytes of the connection were not captured")
    if tunnel.ssh["tokens_dropped"]:
        hidden.append(f"the last {tunnel.ssh['tokens_dropped']} packets were not looked at")
    return hidden


def _next_steps(tunnel: Tunnel) -> list[str]:
    flow, request = tunnel.flow, tunnel.request
    steps = [
        f"find the ssh process on {flow.src_ip} with source port {flow.src_port}, and who runs it",
        f"check whether a tunnel to {flow.dst_ip} was approved",
    ]
    if tunnel.uses:
        steps.append("look at what the same host did in the minutes around the first use")
    if request and not request.asked.exact and not tunnel.ssh["carrier"]:
        frames = ", ".join(str(one.frame) for one in (request.login, request.asked, request.answer))
        steps.append(f"compare the column tcp.len of frames {frames} in Wireshark with the reasons")
    return steps
