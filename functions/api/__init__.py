"""Answers questions about signals, accounts, events and notices."""
