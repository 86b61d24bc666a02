"""The front door: takes CloudEvents, answers 202 once they are durable."""
