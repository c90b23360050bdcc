"""Lets objects and options say what a name of another SDK is called here. It is loaded once a name is missing."""

from typing import TYPE_CHECKING, Any

from trunkline.late import Late

if TYPE_CHECKING:
    from trunkline.elsewhere import missing, unknown_options
else:
    missing = Late("trunkline.elsewhere:missing")
    unknown_options = Late("trunkline.elsewhere:unknown_options")

__all__ = ["Signposted", "unknown_options"]


class Signposted:
    """A class whose missing attributes are AttributeErrors that name ours, where trunkline.elsewhere knows it."""

    __slots__ = ()

    if not TYPE_CHECKING:  # type checkers would take every name for one that is there

        def __getattr__(self, name: str) -> Any:
            told = None if name.startswith("__") else missing(type(self), name)
            if told is not None:
                raise AttributeError(told, name=name)
            # Once more without the signpost: a property that failed inside keeps its own error.
            return object.__getattribute__(self, name)
