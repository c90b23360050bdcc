"""The policies around every call, one idea each."""
