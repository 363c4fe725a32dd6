"""Which models a name stands for, and how far their backtests can go."""

from __future__ import annotations

from dataclasses import replace

from capforecast import registry
from capforecast.errors import UnknownNameError
from capforecast.forecast import Recipe
from capforecast.models import Model

NEAR = Recipe()
"""Recipe of steps below a day."""

FAR = Recipe(
    origins=24, temperature=20.0, doubt=1.0, trust=16.0, widen=1.1, share=0.2, climate=0.5, unsure=1.0, blocks=40
)  # fmt: skip
"""Recipe of steps of a day or more."""


def families(model: str) -> tuple[tuple[Model, ...], tuple[Model, ...], int | None]:
    """Return the models of the near and the far horizon, and the most origins they can afford.

    Parameters
    ----------
    model : str
        ``pool``, the name of a registered family, or ``statsforecast:NAME``.

    Raises
    ------
    UnknownNameError
        There is no such model.
    """
    if model == "pool":
        near = tuple(registry.load("model", name)() for name in ("seasonal_naive", "double_seasonal"))
        return near, (*near, registry.load("model", "trend")()), None
    family, _, name = model.partition(":")
    if family not in registry.names("model") or bool(name) != (family == "statsforecast"):
        raise UnknownNameError("model", model, ["pool", *registry.names("model"), "statsforecast:AutoETS"])
    made = registry.load("model", family)(*([name] if name else []))
    return (made,), (made,), getattr(made, "origins", None)


def recipes(origins: int | None) -> tuple[Recipe, Recipe]:
    """Return the recipes of the near and the far horizon for models that afford so many origins (None: any)."""
    if origins is None:
        return NEAR, FAR
    return replace(NEAR, origins=origins), replace(FAR, origins=origins)
