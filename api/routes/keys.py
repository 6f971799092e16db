"""API keys: made, listed, revoked by administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response
from pydantic import Field

from analyzer.store.records import Key, Scope
from api.dependencies import Admin, StoreDep
from api.errors import responses
from api.idempotency import OMIT
from api.routing import ServiceRouter
from api.schemas import MAX_ID_CHARS, Moment, Shape, nanoseconds, time_text

MAX_NAME_CHARS = 200
router = ServiceRouter(prefix="/v1/keys", tags=["keys"])
KeyId = Annotated[str, Path(min_length=1, max_length=MAX_ID_CHARS, description="id of the key")]


class KeyOut(Shape):
    """A key without its secret."""

    id: str
    name: str
    scopes: list[Scope]
    created_at: str | None
    created_by: str
    expires_at: str | None = Field(description="null: never")
    last_used_at: str | None = Field(description="to the minute; null: never")
    revoked_at: str | None
    revoked_by: str


class NewKey(Shape):
    """What a key shall be."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS, pattern=r"\S")]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    expires_at: Moment | None = Field(
        default=None, description="when it ends, RFC 3339; never when left out"
    )


class MadeKey(Shape):
    """A new key; its text is shown here and never again."""

    key: KeyOut
    text: str = Field(description="`og_<id>_<secret>`; empty when an answer is repeated")


class Keys(Shape):
    """All keys."""

    data: list[KeyOut]


@router.get("", summary="All keys")
def list_keys(store: StoreDep, caller: Admin) -> Keys:  # noqa: ARG001 - checks the scope
    """Lists every key, revoked and expired ones too, without their secrets."""
    return Keys(data=[key_out(key) for key in store.keys.list()])


@router.post(
    "",
    status_code=201,
    summary="Make a key",
    responses=responses("limit-reached"),
    openapi_extra={OMIT: ["text"]},
)
def create_key(wanted: NewKey, store: StoreDep, caller: Admin, response: Response) -> MadeKey:
    """Makes a key and shows its text, once."""
    expires_ns = nanoseconds(wanted.expires_at)
    key, text = store.keys.create(wanted.name, wanted.scopes, expires_ns=expires_ns, by=caller)
    response.headers["Location"] = f"/v1/keys/{key.id}"
    return MadeKey(key=key_out(key), text=text)


@router.get("/{key_id}", summary="One key")
def read_key(key_id: KeyId, store: StoreDep, caller: Admin) -> KeyOut:  # noqa: ARG001 - the scope
    """Shows one key without its secret."""
    return key_out(store.keys.get(key_id))


@router.delete("/{key_id}", summary="Revoke a key", responses=responses("conflict"))
def revoke_key(key_id: KeyId, store: StoreDep, caller: Admin) -> KeyOut:
    """Ends a key at once and for good; its record stays."""
    return key_out(store.keys.revoke(key_id, by=caller))


def key_out(key: Key) -> KeyOut:
    """A key as JSON."""
    return KeyOut(
        id=key.id,
        name=key.name,
        scopes=sorted(key.scopes),
        created_at=time_text(key.created_ns),
        created_by=key.created_by,
        expires_at=time_text(key.expires_ns),
        last_used_at=time_text(key.last_used_ns),
        revoked_at=time_text(key.revoked_ns),
        revoked_by=key.revoked_by,
    )
