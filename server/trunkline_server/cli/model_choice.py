"""Which models can be asked, for commands that ask one."""

import click

import trunkline
from trunkline import v1

__all__ = ["served", "the_model"]


def served(client: "trunkline.Client") -> list[str]:
    """Names of the models that can complete, at least one."""
    names = [model.name for model in client.models() if _completes(model)]
    if not names:
        raise click.ClickException(f"{client.target} serves no model that you may use")
    return names


def the_model(client: "trunkline.Client") -> str:
    """The one model that can complete. Asks to choose where there is not exactly one."""
    names = served(client)
    if len(names) > 1:
        raise click.UsageError(f"choose a model with -m: {', '.join(names)}")
    return names[0]


def _completes(model: v1.Model) -> bool:
    """False only for models that are known to do other things."""
    features = model.capabilities.features
    return not features or v1.FEATURE_COMPLETE in features or v1.FEATURE_STREAM in features
