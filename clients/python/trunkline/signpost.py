"""Lets objects say what a name of another SDK is called here. It is loaded once a name is missing."""

from typing import TYPE_CHECKING, Any

from trunkline import parts

__all__ = ["Signposted"]


class Signposted:
    """A class whose missing attributes are AttributeErrors that name ours, where trunkline.elsewhere knows it."""

    __slots__ = ()

    if not TYPE_CHECKING:  # type checkers would take every name for one that is there

        def __getattr__(self, name: str) -> Any:
            told = None if name.startswith("__") else parts.missing(type(self), name)
            if told is not None:
                raise AttributeError(told, name=name)
            # Once more without the signpost: a property that failed inside keeps its own error.
            return object.__getattribute__(self, name)
