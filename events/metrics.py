"""Every metric of the platform: what it means and what to do about it. Labels are closed sets, never a tenant."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

#: Events by what became of them at the front door. "full" rising: dispatchers do not keep up, see the depth;
#: "share" rising: one tenant's events take up its share of memory, and wait; "letters": its dead letters do, redrive
#: or purge them;
#: "rate" or "quota" rising: a tenant outgrows its plan; "conflict" rising: a sender reuses its ids.
INGESTED = Counter("sspp_ingest_events_total", "Events offered, by outcome.", ["outcome"])

#: Requests refused whole, by status. 401 rising: a sender lost its key; 503: Redis is away or full.
INGEST_REFUSED = Counter("sspp_ingest_refused_total", "Requests refused, by status.", ["status"])

#: Seconds from the last byte of a request to its answer. Above 0.1 s: look at Redis's disk.
INGEST_SECONDS = Histogram(
    "sspp_ingest_seconds",
    "Time to admit a request.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
)

#: Bytes of bodies taken in. Beside the events: their size, which is what Redis' memory is filled with.
INGEST_BYTES = Counter("sspp_ingest_bytes_total", "Bytes of request bodies read.")

#: Times Redis was away, slow or full for the front door. Each is a 503 to a sender: look at Redis first.
INGEST_REDIS_ERRORS = Counter("sspp_ingest_redis_errors_total", "Requests that Redis' state has failed.")

#: Deliveries by outcome. "buried" right after a deploy: roll back. "parked" alone passes by itself.
DELIVERIES = Counter("sspp_deliveries_total", "Events delivered, by outcome.", ["channel", "outcome"])

#: Entries not settled yet. Growing for minutes: the function is slow or away; look at sspp_target_up. Growing in
#: the overflow lane alone: one tenant sends far more than its share, and waits for it.
DEPTH = Gauge("sspp_channel_depth", "Entries in the stream, delivered or not.", ["channel", "lane", "partition"])

#: Retries waiting for their time. Growing: one dependency of the function fails; its log says which.
PARKED = Gauge("sspp_channel_parked", "Retries waiting.", ["channel", "lane", "partition"])

#: Replies that were left out of a channel because too many wait there. What they tell of is recorded, and the clock
#: tells index and notify of it once they are back. Above 0: one of them is away or slow.
LEFT_OUT = Counter("sspp_replies_left_out_total", "Replies left to the clock.", ["channel"])

#: Entries whose event was gone when they were to be taken over. Above 0: somebody deletes from streams by hand.
VANISHED = Counter("sspp_channel_vanished_total", "Entries that had lost their event.", ["channel"])

#: 1 while the dead-letter circuit breaker is open: most verdicts would dead-letter their event. Roll the function
#: back, or let them be dead-lettered:
#: docs/channel.md.
DEAD_LETTERS_WITHHELD = Gauge("sspp_line_stopped", "Whether the dead-letter breaker is open.", ["channel"])

#: Dead letters. Each needs somebody: `sspp dead-letters list` says what is wrong; mend it, then redrive or purge.
DEAD = Gauge("sspp_dead_letters", "Dead letters waiting.", ["channel", "partition"])

#: How long the oldest of them has been one, 0 without any. Above a day: nobody looks.
DEAD_OLDEST = Gauge("sspp_dead_letters_oldest_seconds", "Age of the oldest dead letter.", ["channel", "partition"])

#: 0 while the dispatcher waits for its function to come back. 0 for minutes: the function does not start.
TARGET_UP = Gauge("sspp_target_up", "Whether the last delivery reached the function.", ["channel"])

#: Seconds one batch took from the request to its settling. Near the delivery timeout: smaller batches.
BATCH_SECONDS = Histogram(
    "sspp_batch_seconds",
    "Time to deliver and settle a batch.",
    ["channel"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0),
)

#: Redis' memory in bytes: "used" and its "limit" (maxmemory; 0 for none) as it said last, and what is used by purpose.
#: Used near the limit: the front door soon refuses everybody. "events", "signals" or "notices" large: their function
#: is away or slow; "retries": it fails; "dead": redrive or purge dead letters; "identities": lower
#: SSPP_IDEMPOTENCY_DAYS; "directory" and "rest" alone: raise maxmemory.
REDIS_MEMORY = Gauge("sspp_redis_memory_bytes", "Redis' memory, by purpose.", ["kind"])

#: Batches a function worked through, by outcome. "unavailable" rising: its database or index is away.
HANDLED = Counter("sspp_function_batches_total", "Batches handled, by outcome.", ["function", "outcome"])
