"""Suppressions, allow-lists, rules and detectors as JSON."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from analyzer.model import Category, Severity
from analyzer.store.findings import MAX_BULK
from analyzer.store.records import SuppressionState
from analyzer.store.scopes import MAX_VALUE_CHARS
from analyzer.store.suppressions import MAX_ACTIVE
from api.schemas import Page, Shape
from api.schemas_findings import SHA256, FindingId, Reason

ScopeText = Annotated[str, Field(min_length=1, max_length=MAX_VALUE_CHARS)]
SuppressionKind = Literal["suppress", "allow"]
RuleKind = Literal["pool", "relay", "coin", "payload"]


class SuppressionScope(Shape):
    """What is hidden: every field that is given must match. At least one is needed."""

    detector: ScopeText | None = Field(
        default=None, description="`mining.stratum`, or `mining.*` for a family"
    )
    category: Category | None = None
    src: ScopeText | None = Field(
        default=None, description="address or network of the side that began the conversation"
    )
    dst: ScopeText | None = Field(default=None, description="address or network of the other side")
    host: ScopeText | None = Field(default=None, description="address or network of either side")
    dst_port: int | None = Field(default=None, ge=0, le=65_535)
    name: ScopeText | None = Field(
        default=None,
        description="a DNS name, SNI or pool name; `*.example.com` is it and every name below",
    )
    wallet: ScopeText | None = Field(default=None, description="a wallet or login, whole")
    pool: ScopeText | None = Field(
        default=None, description="a pool's name, operator or address, whole"
    )
    capture: Annotated[str, Field(pattern=SHA256)] | None = Field(
        default=None, description="a capture's SHA-256"
    )
    finding: (
        FindingId | Annotated[list[FindingId], Field(min_length=1, max_length=MAX_BULK)] | None
    ) = Field(default=None, description="one finding's id, or a list of them")
    severity_at_most: Severity | None = Field(default=None, description="hides nothing graver")

    @model_serializer(mode="wrap")
    def _given(self, write: SerializerFunctionWrapHandler) -> dict[str, object]:
        """The fields that say something, as the store takes them."""
        return {name: value for name, value in write(self).items() if value is not None}


class NewSuppressionIn(Shape):
    """A suppression to be made."""

    kind: SuppressionKind = Field(
        default="suppress", description="`suppress`: this is noise; `allow`: it is permitted here"
    )
    scope: SuppressionScope
    reason: Reason
    expires_at: AwareDatetime | None = Field(
        default=None, description="when it ends, RFC 3339; 30 days when left out, null never"
    )


class ScopeToTry(Shape):
    """A scope to try out."""

    scope: SuppressionScope


class DryRunOut(Shape):
    """What a scope would hide of the findings there are."""

    count: int
    by_severity: dict[str, int]
    confirmed: int = Field(description="of them all but certain, or called true by somebody")
    examples: list[str] = Field(description="ids of the gravest")


class SuppressionOut(BaseModel):
    """A suppression; it hides findings from readers and never deletes one."""

    model_config = ConfigDict(extra="forbid")

    id: str
    kind: SuppressionKind
    scope: dict[str, object]
    reason: str
    state: SuppressionState
    created_at: str | None
    created_by: str
    expires_at: str | None = Field(description="null: never")
    ended_at: str | None
    ended_by: str
    end_reason: str
    hits: int = Field(description="findings it hides, as last counted")
    last_hit_at: str | None


class SuppressionsOut(Shape):
    """A page of suppressions, the newest first."""

    data: list[SuppressionOut]
    page: Page


class ListedSuppression(Shape):
    """One entry of an exported list."""

    kind: SuppressionKind
    scope: SuppressionScope
    reason: Reason
    expires_at: AwareDatetime | None = Field(description="null: never")


class SuppressionList(Shape):
    """Suppressions or allow-lists to take elsewhere."""

    schema_name: Literal["outgate/suppressions/1"] = Field(
        default="outgate/suppressions/1", alias="schema"
    )
    items: Annotated[list[ListedSuppression], Field(max_length=MAX_ACTIVE)]


class ImportedOut(Shape):
    """What an import did."""

    added: list[SuppressionOut]
    known: int = Field(description="entries that were active already")
    over: int = Field(description="entries left out because their time is over")


class RuleOut(Shape):
    """One rule."""

    id: str
    kind: RuleKind
    title: str
    source: str = Field(description="where its facts come from")
    checked_on: str | None = Field(description="the day they were last compared with the source")
    confidence: float | None = Field(description="how sure the facts are")
    enabled: bool = Field(description="whether analyses use it")
    nursery: bool = Field(description="whether no sample proves it yet")


class RuleExplained(RuleOut):
    """One rule with everything it says."""

    explanation: list[str] = Field(description="a line for each field that says something")


class RulesPage(Page):
    """Where the list goes on."""

    ruleset_version: str


class Rules(Shape):
    """A page of rules, by id."""

    data: list[RuleOut]
    page: RulesPage


class DetectorOut(Shape):
    """What makes findings."""

    id: str
    version: int = Field(description="raised when the same input may give another finding")
    title: str
    category: Category
    needs: list[str] = Field(description="tables that must have rows")
    attack: list[str] = Field(description="ATT&CK techniques its findings carry")


class Detectors(Shape):
    """All detectors, in running order."""

    data: list[DetectorOut]
