"""What Google, Microsoft Entra and AWS issue for a while, presented on requests to providers.

Fixed keys are not its business: dialects put them on.
"""

from trunkline_server.credentials.kept import KeepLimits
from trunkline_server.credentials.kinds import missing_extra
from trunkline_server.credentials.store import Credentials

__all__ = ["Credentials", "KeepLimits", "missing_extra"]
