"""Amazon Bedrock: its Converse interface for answers, CountTokens for counts and InvokeModel for vectors."""

from trunkline_server.providers.bedrock.table import ROWS

__all__ = ["ROWS"]
