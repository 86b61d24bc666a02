"""Real servers for tests, started when a test asks for them and stopped by their process."""
