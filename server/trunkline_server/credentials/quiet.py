"""Foreign libraries say nothing by themselves.

Their lines quote what a token endpoint answered, and at the level of debugging whole requests. Without a handler Python
writes their warnings to stderr.
"""

import logging


def hush(*names: str) -> None:
    """Silence these loggers and all below them."""
    for name in names:
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
