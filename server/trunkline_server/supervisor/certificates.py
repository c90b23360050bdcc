"""The gateway's certificate, followed while it serves.

```
 in force --the files change--> seen --the same at the next look, and right--> in force
                                 |  ^
                                 +--+  changing still, or wrong: the one before stays in force

 in force --a worker's TLS library refuses it--> the one before, until the files change again
```
1. A pair takes effect only as a whole and only if all of it is right. Content is compared, not times: it may be
   replaced in place, by renaming, or by the symbolic links of a Kubernetes secret.
2. A certificate and its key are often replaced one after the other, so a wrong pair is told once it has stayed for
   COMPLAIN_S, and once per change.
3. One that ends within REMIND is told of once a day.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from loguru import logger

from trunkline_server.config import ConfigError, Problem
from trunkline_server.config.tls import CERT_FILE, Judged, TlsFiles, judge, read_and_judge, read_files
from trunkline_server.core.tls import TlsMaterial
from trunkline_server.supervisor.limits import Limits

COMPLAIN_S: Final = 2.0
REMIND: Final = timedelta(days=7)
DAY: Final = timedelta(days=1)

Content = TlsMaterial | tuple[Problem, ...]
"""What the files hold, or why that can't be read."""


class Certificates:
    """The certificate in force, if the gateway serves with TLS."""

    def __init__(self, files: TlsFiles | None, limits: Limits, now: datetime | None = None) -> None:
        """Raises ConfigError if the files can't be used."""
        now = now or datetime.now(UTC)
        self.material: TlsMaterial | None = None
        """What workers present; None without TLS."""
        self.renewal = 0
        """Grows whenever that changes."""
        self._before: tuple[TlsMaterial | None, Judged] | None = None
        """What was in force before, as long as workers may refuse what is."""
        self._refused: TlsMaterial | None = None
        """What workers have refused: it is not tried again."""
        self._files = files
        self._limits = limits
        self._judged = Judged()
        self._seen: Content = ()
        self._seen_at = 0.0
        self._judge_at = 0.0
        self._complained = False
        self._told_at = now
        if files:
            self.material, self._judged = read_and_judge(files, now)
            if self._judged.problems:
                raise ConfigError(self._judged.problems)

    def __repr__(self) -> str:
        return f"<Certificates: {self._judged if self.material else 'none'}>"

    @property
    def kind(self) -> str:
        """What TCP addresses speak: "TLS", "mTLS" where callers show certificates, "" without TLS."""
        if self.material is None:
            return ""
        return "TLS" if self.material.client_ca is None else "mTLS"

    def introduce(self) -> None:
        """Says at the start what is presented, and what of it is probably not meant."""
        if self.material:
            logger.info("TLS with {}", self._judged)
            self._warn()

    async def follow(self, renewed: Callable[[], None]) -> None:
        """Looks at the files for ever; `renewed` is called whenever another certificate is to be presented."""
        loop = asyncio.get_running_loop()
        while self._files:
            await asyncio.sleep(self._limits.certificates_s)
            now = datetime.now(UTC)
            try:
                if self.look(loop.time(), now):
                    renewed()
            except Exception as fault:  # noqa: BLE001 - a fault of ours must not end the following of files for good
                logger.error("a new certificate could not be taken in: {}", type(fault).__name__)
            self.remind(now)

    def look(self, at: float, now: datetime) -> bool:
        """Looks at the files once; True if what they hold is in force from now on. `at`: a clock that only grows."""
        if not self._files:
            return False
        content = _content(self._files)
        if content == self._refused:
            return False
        if content == self.material:
            self._reconcile()
            return False
        if content != self._seen:
            self._seen, self._seen_at, self._judge_at = content, at, at
            self._complained = False
            return False
        if at < self._judge_at:
            return False
        problems = content if isinstance(content, tuple) else self._take(self._files, content, now)
        if not problems:
            return True
        late = at - self._seen_at >= COMPLAIN_S
        self._judge_at = at + self._limits.retry_bad_s if late else self._seen_at + COMPLAIN_S
        if late and not self._complained:
            self._complain(problems)
        return False

    def refused(self, renewal: int) -> bool:
        """Workers can't present what that renewal brought; True if the one before it is in force again."""
        if renewal != self.renewal or self._before is None:
            return False  # another worker has said so, or it is replaced already
        self._refused = self.material
        (self.material, self._judged), self._before = self._before, None
        self.renewal += 1
        logger.error("workers can't use the new certificate: gRPC refuses it; {} stays in force", self._judged)
        logger.error("{}", Problem(key=CERT_FILE, message="refused by gRPC", mend="Make a pair with ECDSA P-256"))
        return True

    def remind(self, now: datetime) -> None:
        """Warns once a day while the certificate in force is about to end, or has."""
        end = self._judged.not_after
        if end is None or now < end - REMIND or now - self._told_at < DAY:
            return
        self._told_at = now
        if now > end:
            logger.error("{} has ended, and callers refuse it. Renew it", self._judged)
        else:
            logger.warning("{} ends soon. Renew it", self._judged)

    def _take(self, files: TlsFiles, material: TlsMaterial, now: datetime) -> tuple[Problem, ...]:
        """Puts this in force if it is right, else says why it isn't."""
        judged = judge(files, material, now)
        if judged.problems:
            return judged.problems
        self._before = self.material, self._judged
        self._refused = None
        self.renewal += 1
        self.material, self._judged, self._told_at = material, judged, now
        self._seen, self._complained = (), False
        logger.info("a new certificate is in force: {}", judged)
        self._warn()
        return ()

    def _complain(self, problems: tuple[Problem, ...]) -> None:
        self._complained = True
        logger.error("the new certificate can't be used; {} stays in force", self._judged)
        for problem in problems:
            logger.error("{}", problem)

    def _reconcile(self) -> None:
        """The files hold what is in force."""
        if self._complained:
            logger.info("the certificate's files hold again what is in force")
        self._seen, self._complained, self._refused = (), False, None

    def _warn(self) -> None:
        for doubt in self._judged.doubts:
            logger.warning("{}", doubt)


def _content(files: TlsFiles) -> Content:
    try:
        return read_files(files)
    except ConfigError as error:
        return error.problems
