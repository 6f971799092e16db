"""Rule data: pools, payload patterns, relays and coins, as TOML. No code lives here."""
