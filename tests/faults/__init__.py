"""The fault suite: the real parts broken under load, every accepted event counted afterwards."""
