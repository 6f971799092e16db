"""All samples in the order of the index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcaps.recipes import catalogue_alike, catalogue_incident, catalogue_mining, catalogue_tunnels

if TYPE_CHECKING:
    from pcaps.recipes.model import Recipe


def recipes() -> list[Recipe]:
    """Every sample's recipe; names are unique."""
    return [
        *catalogue_incident.recipes(),
        *catalogue_mining.recipes(),
        *catalogue_tunnels.recipes(),
        *catalogue_alike.recipes(),
    ]
