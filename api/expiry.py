"""When a suppression ends by itself: in 30 days, unless somebody says otherwise."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel

from analyzer.store import Store
from analyzer.times import NS_PER_SECOND
from api.schemas_findings import nanoseconds

DEFAULT_DAYS = 30
DEFAULT_NS = DEFAULT_DAYS * 86_400 * NS_PER_SECOND


def expiry_ns(store: Store, wanted: BaseModel) -> int:
    """The end of what is wanted: its `expires_at`, 0 for an explicit null, else the default."""
    if "expires_at" not in wanted.model_fields_set:
        return store.now_ns() + DEFAULT_NS
    moment: AwareDatetime | None = getattr(wanted, "expires_at", None)
    return nanoseconds(moment)
