"""The usual dpkt program: iterate, decode, count packets and bytes of each conversation."""

import socket
import sys
from pathlib import Path

import dpkt


def main() -> None:
    """Print the number of conversations of the capture named on the command line."""
    flows: dict[tuple[bytes, int, bytes, int, int], list[int]] = {}
    with Path(sys.argv[1]).open("rb") as stream:
        for _, frame in dpkt.pcap.Reader(stream):
            packet = dpkt.ethernet.Ethernet(frame).data
            if not isinstance(packet, dpkt.ip.IP | dpkt.ip6.IP6):
                continue
            segment = packet.data
            ports = (0, 0)
            if isinstance(segment, dpkt.tcp.TCP | dpkt.udp.UDP):
                ports = (segment.sport, segment.dport)
            protocol = getattr(packet, "p", socket.IPPROTO_NONE)
            ends = sorted(((packet.src, ports[0]), (packet.dst, ports[1])))
            counters = flows.setdefault((*ends[0], *ends[1], protocol), [0, 0])
            counters[0] += 1
            counters[1] += len(packet)
    print(len(flows))


if __name__ == "__main__":
    main()
