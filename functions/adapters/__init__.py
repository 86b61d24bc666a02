"""The one place where each outside system is spoken to."""
