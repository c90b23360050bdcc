"""The event streams that golden files become."""

import json

from botocore.eventstream import EventStreamBuffer

from tests.golden.eventstream import encode

FRAMES = [
    {
        "headers": {":message-type": "event", ":event-type": "contentBlockDelta", ":content-type": "application/json"},
        "payload": {"contentBlockIndex": 0, "delta": {"text": "Grüße"}},
    },
    {"headers": {":message-type": "event", ":event-type": "messageStop"}, "payload": {"stopReason": "end_turn"}},
]


def test_aws_reads_the_frames() -> None:
    """AWS's own reader takes them, checksums and all, and finds the headers and payloads."""
    buffer = EventStreamBuffer()
    buffer.add_data(encode(FRAMES))
    read = [{"headers": message.headers, "payload": json.loads(message.payload)} for message in buffer]
    assert read == FRAMES
