"""What an event is and how it travels. Imports nothing from ``functions``."""
