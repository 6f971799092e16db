"""The ATT&CK techniques that findings name, with their tactics and official STIX ids.

Facts from the Enterprise matrix, version 18.1. A technique that is not in the table keeps its id
and gets a name and a STIX id of our own, so that nothing is lost and no official id is invented.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FRAMEWORK = "MITRE ATT&CK"
VERSION = "18.1"
SITE = "https://attack.mitre.org"
KILL_CHAIN = "mitre-attack"
"""Name of the source and of the kill chain in STIX."""

_NAMESPACE = uuid.UUID("5c7a7d0b-6e2c-5a0e-9d0f-2f0b6f4d5d7e")
_UNKNOWN_CREATED = "2026-01-01T00:00:00.000Z"

_TACTICS = """
initial-access | TA0001 | Initial Access
execution | TA0002 | Execution
persistence | TA0003 | Persistence
privilege-escalation | TA0004 | Privilege Escalation
credential-access | TA0006 | Credential Access
discovery | TA0007 | Discovery
lateral-movement | TA0008 | Lateral Movement
exfiltration | TA0010 | Exfiltration
command-and-control | TA0011 | Command and Control
impact | TA0040 | Impact
"""

# id | name | tactics, and below it: uuid of its attack-pattern | created
_TECHNIQUES = """
T1018 | Remote System Discovery | discovery
  e358d692-23c0-4a31-9eb6-ecc13a8d7735 | 2017-05-31T21:30:28.187Z
T1021 | Remote Services | lateral-movement
  54a649ff-439a-41a4-9856-8d144a2551ba | 2017-05-31T21:30:29.858Z
T1021.004 | SSH | lateral-movement
  2db31dcd-54da-405d-acef-b9129b816ed6 | 2020-02-11T18:27:15.774Z
T1041 | Exfiltration Over C2 Channel | exfiltration
  92d7da27-2d91-488e-a00c-059dc162766d | 2017-05-31T21:30:41.804Z
T1046 | Network Service Discovery | discovery
  e3a12395-188d-4051-9a16-ea8e14d07b88 | 2017-05-31T21:30:43.915Z
T1048 | Exfiltration Over Alternative Protocol | exfiltration
  a19e86f8-1c0a-4fea-8407-23b73d615776 | 2017-05-31T21:30:44.720Z
T1048.002 | Exfiltration Over Asymmetric Encrypted Non-C2 Protocol | exfiltration
  8e350c1d-ac79-4b5c-bd4e-7476d7e84ec5 | 2020-03-15T15:34:30.767Z
T1059 | Command and Scripting Interpreter | execution
  7385dfaf-6886-4229-9ecd-6fd678040830 | 2017-05-31T21:30:49.546Z
T1059.004 | Unix Shell | execution
  a9d4b653-6915-42af-98b2-5758c4ceee56 | 2020-03-09T14:15:05.330Z
T1059.006 | Python | execution
  cc3502b5-30cc-4473-ad48-42d51a6ef6d1 | 2020-03-09T14:38:24.334Z
T1071 | Application Layer Protocol | command-and-control
  355be19c-ffc9-46d5-8d50-d6a036c675b6 | 2017-05-31T21:30:56.776Z
T1071.001 | Web Protocols | command-and-control
  df8b2a25-8bdf-4856-953c-a04372b1c161 | 2020-03-15T16:13:46.151Z
T1071.004 | DNS | command-and-control
  1996eef1-ced3-4d7f-bf94-33298cabbf72 | 2020-03-15T16:27:31.768Z
T1090 | Proxy | command-and-control
  731f4f55-b6d0-41d1-a7a9-072a66389aea | 2017-05-31T21:31:08.479Z
T1090.001 | Internal Proxy | command-and-control
  f6dacc85-b37d-458e-b58d-74fc4bbf5755 | 2020-03-14T23:08:20.244Z
T1090.002 | External Proxy | command-and-control
  69b8fd78-40e8-4600-ae4d-662c9d7afdb3 | 2020-03-14T23:12:18.466Z
T1090.003 | Multi-hop Proxy | command-and-control
  a782ebe2-daba-42c7-bc82-e8e9d923162d | 2020-03-14T23:23:41.770Z
T1095 | Non-Application Layer Protocol | command-and-control
  c21d5a77-d422-4a69-acd7-2c53c1faa34b | 2017-05-31T21:31:10.728Z
T1098 | Account Manipulation | persistence privilege-escalation
  a10641f4-87b4-45a3-a906-92a149cb2c27 | 2017-05-31T21:31:12.196Z
T1098.004 | SSH Authorized Keys | persistence privilege-escalation
  6b57dc31-b814-4a03-8706-28bc20d739c4 | 2020-06-24T12:42:35.144Z
T1102 | Web Service | command-and-control
  830c9528-df21-472c-8c14-a036bf17d665 | 2017-05-31T21:31:13.915Z
T1105 | Ingress Tool Transfer | command-and-control
  e6919abc-99f9-4c6c-95a5-14761e7b2add | 2017-05-31T21:31:16.408Z
T1133 | External Remote Services | persistence initial-access
  10d51417-ee35-4589-b1ff-b6df1c334e8d | 2017-05-31T21:31:44.421Z
T1219 | Remote Access Tools | command-and-control
  4061e78c-1284-44b4-9116-73e4ac3912f7 | 2018-04-18T17:59:24.739Z
T1496 | Resource Hijacking | impact
  cd25c1b4-935c-4f0e-ba8d-552f28bc4783 | 2019-04-17T14:50:05.682Z
T1496.001 | Compute Hijacking | impact
  a718a0c8-5768-41a1-9958-a1cc3f995e99 | 2024-09-25T13:34:30.100Z
T1496.002 | Bandwidth Hijacking | impact
  718cb208-6446-4572-a2f0-9c799c60091e | 2024-09-25T13:44:35.412Z
T1496.004 | Cloud Service Hijacking | impact
  924d273c-be0d-4d8d-af58-2dddb15ef1e2 | 2024-09-25T14:05:59.910Z
T1552 | Unsecured Credentials | credential-access
  435dfb86-2697-4867-85b5-2fef496c0517 | 2020-02-04T12:47:23.631Z
T1552.005 | Cloud Instance Metadata API | credential-access
  19bf235b-8620-4997-b5b4-94e0659ed7c3 | 2020-02-11T18:47:46.619Z
T1568 | Dynamic Resolution | command-and-control
  7bd9c723-2f78-4309-82c5-47cad406572b | 2020-03-10T17:28:11.747Z
T1568.001 | Fast Flux DNS | command-and-control
  29ba5a15-3b7b-4732-b817-65ea8f6468e6 | 2020-03-11T14:11:16.560Z
T1568.002 | Domain Generation Algorithms | command-and-control
  118f61a5-eb3e-4fb6-931f-2096647f4ecd | 2020-03-10T17:44:59.787Z
T1571 | Non-Standard Port | command-and-control
  b18eae87-b469-4e14-b454-b171b416bc18 | 2020-03-14T18:18:32.443Z
T1572 | Protocol Tunneling | command-and-control
  4fe28b27-b13c-453e-a386-c2ef362a573b | 2020-03-15T16:03:39.082Z
T1573 | Encrypted Channel | command-and-control
  b8902400-e6c5-4ba2-95aa-2d35b442b118 | 2020-03-16T15:33:01.739Z
T1573.001 | Symmetric Cryptography | command-and-control
  24bfaeba-cb0d-4525-b3dc-507c77ecec41 | 2020-03-16T15:45:17.032Z
T1573.002 | Asymmetric Cryptography | command-and-control
  bf176076-b789-408e-8cba-7275e81c0ada | 2020-03-16T15:48:33.882Z
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tactic:
    """Why an adversary does something: `phase` is its name in STIX kill chains."""

    id: str
    name: str
    phase: str

    @property
    def url(self) -> str:
        """Its page."""
        return f"{SITE}/tactics/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Technique:
    """How an adversary does something.

    Attributes:
        id: `T1496` or, for a sub-technique, `T1496.001`.
        name: Its own name, for a sub-technique without its parent's.
        tactics: What it serves; empty for a technique that the table does not hold.
        stix_id: The official id, or one of our own for a technique that the table does not hold.
        created: When the official object was made, as STIX writes times.
    """

    id: str
    name: str
    tactics: tuple[Tactic, ...]
    stix_id: str
    created: str

    @property
    def parent_id(self) -> str:
        """The technique it belongs to, or its own id."""
        return self.id.partition(".")[0]

    @property
    def is_sub(self) -> bool:
        """Whether it is a sub-technique."""
        return "." in self.id

    @property
    def url(self) -> str:
        """Its page."""
        return f"{SITE}/techniques/{self.id.replace('.', '/')}"


@cache
def techniques() -> Mapping[str, Technique]:
    """The table, by technique id."""
    tactics = {}
    for line in _TACTICS.strip().splitlines():
        phase, tactic_id, name = line.split(" | ")
        tactics[phase] = Tactic(id=tactic_id, name=name, phase=phase)
    table = {}
    lines = _TECHNIQUES.strip().splitlines()
    for head, tail in zip(lines[::2], lines[1::2], strict=True):
        technique_id, name, phases = head.split(" | ")
        stix_uuid, created = tail.strip().split(" | ")
        table[technique_id] = Technique(
            id=technique_id,
            name=name,
            tactics=tuple(tactics[phase] for phase in phases.split()),
            stix_id=f"attack-pattern--{stix_uuid}",
            created=created,
        )
    return MappingProxyType(table)


def technique(technique_id: str) -> Technique:
    """The technique of an id; one that the table does not hold is named by its id."""
    known = techniques().get(technique_id)
    if known is not None:
        return known
    stix_uuid = uuid.uuid5(_NAMESPACE, technique_id)
    return Technique(
        id=technique_id,
        name=technique_id,
        tactics=(),
        stix_id=f"attack-pattern--{stix_uuid}",
        created=_UNKNOWN_CREATED,
    )
