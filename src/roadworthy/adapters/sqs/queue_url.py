"""What a queue URL says, and the names of the queues under it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from roadworthy.domain.errors import SettingsInvalid

LONGEST_PREFIX = 32
LONGEST_NAME = 80
"""Of any queue in SQS, which takes letters, digits, `-` and `_`."""
_DIGEST = 12
_PREFIX = re.compile(r"[A-Za-z0-9_-]*[A-Za-z0-9-]")
_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+")
_ESCAPES = {"@": "_v", ".": "_d", "_": "_u"}


@dataclass(frozen=True, slots=True)
class QueueUrl:
    """`sqs://REGION/QUEUE_PREFIX`"""

    region: str
    prefix: str

    @classmethod
    def parse(cls, url: str) -> QueueUrl:
        """Raises SettingsInvalid."""
        scheme, _, rest = url.partition("://")
        region, _, prefix = rest.partition("/")
        if scheme != "sqs" or not prefix or not _REGION.fullmatch(region):
            raise SettingsInvalid(
                "ROADWORTHY_QUEUE_URL can't be used: write it like sqs://eu-central-1/roadworthy, with the region and "
                "the beginning of the queues' names; credentials are found where other AWS programs find them"
            )
        if not _PREFIX.fullmatch(prefix) or len(prefix) > LONGEST_PREFIX:
            raise SettingsInvalid(
                f"ROADWORTHY_QUEUE_URL can't be used: names of queues may begin with up to {LONGEST_PREFIX} letters, "
                f"digits, - and _, the last of them no _; {prefix!r} can't be used"
            )
        return cls(region, prefix)

    def queue_of(self, lane: str) -> str:
        """The name of the lane's queue, which no other lane and no other prefix has: `roadworthy__support_v1` for
        `support@1`. The end of one that is too long is a digest.
        """
        # In the part after the last `__` each `_` is followed by a letter, so names can be read back.
        name = f"{self.prefix}__{''.join(_ESCAPES.get(character, character) for character in lane)}"
        if len(name) <= LONGEST_NAME:
            return name
        digest = hashlib.sha256(lane.encode()).hexdigest()[:_DIGEST]
        return f"{name[: LONGEST_NAME - _DIGEST - 2]}_h{digest}"

    @property
    def resource(self) -> str:
        """All queues under this prefix, as a policy names them."""
        return f"arn:aws:sqs:{self.region}:*:{self.prefix}__*"
