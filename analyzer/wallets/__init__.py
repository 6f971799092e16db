"""What coin an address belongs to, and whether its checksum holds.

A login that a miner sends is free text; a checksum that holds turns it into a fact that no chance
explains. `check` reads one such text. It never raises and its work is bounded by
`MAX_LOGIN_CHARS`, whatever the wire brings.
"""

from __future__ import annotations

from analyzer.wallets.forms import MAX_LOGIN_CHARS, Checksum, WalletCheck, check

__all__ = ["MAX_LOGIN_CHARS", "Checksum", "WalletCheck", "check"]
