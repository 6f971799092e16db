"""What an operator can set about the service, from `OUTGATE_*` and the options of `outgate serve`.

Options are handed over as environment variables, so both say the same thing.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from analyzer.errors import ConfigError
from analyzer.history import state_folder
from api.source import Network, networks

PREFIX = "OUTGATE_"
OTHERS = frozenset({"OUTGATE_STATE"})
"""Variables of Outgate that are not settings of the service."""

MIB = 1024 * 1024
GIB = 1024 * MIB


class ServiceSettings(BaseSettings):
    """Settings of the service; sizes in bytes, times as their unit says."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", max_length=255, description="address to listen on")
    port: int = Field(default=8000, ge=0, le=65_535, description="TCP port, 0 for any free one")
    data: Path = Field(
        default_factory=lambda: state_folder() / "service",
        description="folder of captures, tables and the database",
    )
    database: str = Field(default="", description="SQLAlchemy URL; empty: SQLite in `data`")
    auth: bool = Field(default=True, description="whether callers must be known")
    tls_cert: Path | None = Field(default=None, description="certificate chain, PEM")
    tls_key: Path | None = Field(default=None, description="its key, PEM")
    allowed_hosts: str = Field(default="", description="host names it answers for")
    trusted_proxies: str = Field(
        default="", description="networks of proxies whose X-Forwarded-For is believed"
    )
    max_upload: int = Field(default=64 * GIB, ge=1, description="largest capture in bytes")
    max_body: int = Field(default=1 * MIB, ge=1024, description="most bytes of other bodies")
    workers: int = Field(default=2, ge=1, le=64, description="analyses at the same time")
    worker_memory: int = Field(default=4 * GIB, ge=256 * MIB, description="bytes of one worker")
    worker_timeout_s: int = Field(default=3600, ge=1, description="longest run of one worker")
    watch: Path | None = Field(default=None, description="folder whose new captures are taken")
    watch_move: bool = Field(default=False, description="whether those move to its folder `done`")
    rate_per_minute: int = Field(default=6000, ge=1, description="requests of one key in a minute")
    failures_per_minute: int = Field(default=30, ge=1, description="failed log-ins of one address")
    page_limit: int = Field(default=1000, ge=1, le=10_000, description="most rows of one page")
    min_free: int = Field(default=512 * MIB, ge=0, description="free disk space kept in reserve")
    retention_days: int = Field(default=0, ge=0, description="0 keeps all captures")
    retention_size: int = Field(default=0, ge=0, description="bytes of captures kept; 0 keeps all")
    inside: str = Field(default="", description="networks inside, comma separated")
    sink_networks: str = Field(default="", description="private networks sinks may be in")
    sink_folder: Path | None = Field(default=None, description="where file sinks write")
    metrics_public: bool = Field(default=False, description="whether /metrics needs no key")
    oidc_issuer: str = Field(default="", description="provider of log-ins; empty: keys alone")
    oidc_client_id: str = Field(default="", description="this service's id there")
    oidc_client_secret: str = Field(
        default="", repr=False, description="its secret; empty: a public client"
    )
    oidc_audience: str = Field(default="", description="empty: the client id")
    oidc_groups_claim: str = Field(default="groups", description="claim that names groups")
    oidc_scopes: str = Field(default="", description="group=scope+scope pairs, comma separated")
    public_url: str = Field(default="", description="where people reach it")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.host)

    def networks_inside(self) -> tuple[str, ...]:
        """Networks that count as inside; none stands for the private ranges."""
        return listed(self.inside)

    def proxies(self) -> tuple[Network, ...]:
        """Networks of proxies that are believed.

        Raises:
            ConfigError: An entry is no network.
        """
        return networks(listed(self.trusted_proxies), "OUTGATE_TRUSTED_PROXIES")

    @property
    def https(self) -> bool:
        """Whether browsers reach the service over TLS."""
        return self.tls_cert is not None or self.public_url.startswith("https://")


def listed(text: str) -> tuple[str, ...]:
    """The entries of a comma-separated setting."""
    return tuple(entry.strip() for entry in text.split(",") if entry.strip())


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone: `localhost` or a loopback address."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def load_settings() -> ServiceSettings:
    """The settings in effect, checked together.

    Raises:
        ConfigError: A value makes no sense, or values do not go together.
    """
    try:
        settings = ServiceSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "_".join(str(step) for step in first["loc"]).upper()
        raise ConfigError(f"cannot use {name}: {first['msg']}") from error
    check(settings)
    return settings


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Variables that look like settings and are none: misspelled ones, as a rule."""
    known = {PREFIX + name.upper() for name in ServiceSettings.model_fields} | OTHERS
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)


def check(settings: ServiceSettings) -> None:
    """Refuses settings that do not go together.

    Raises:
        ConfigError: What does not, and what would.
    """
    if not settings.auth and not settings.loopback:
        raise ConfigError(
            f"cannot listen on {settings.host} without authentication",
            hint="leave out --no-auth, or listen on 127.0.0.1",
        )
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ConfigError("cannot use TLS with only one of --tls-cert and --tls-key")
    for path in (settings.tls_cert, settings.tls_key):
        if path is not None and not path.is_file():
            raise ConfigError(f"cannot read {path}: there is no such file")
    settings.proxies()
    if settings.oidc_issuer and not settings.oidc_client_id:
        raise ConfigError("cannot use OUTGATE_OIDC_ISSUER without OUTGATE_OIDC_CLIENT_ID")
    if settings.oidc_issuer and not settings.public_url and not settings.loopback:
        raise ConfigError(
            "cannot let people log in without OUTGATE_PUBLIC_URL",
            hint="set it to the address they reach the service by, as https://outgate.example",
        )
