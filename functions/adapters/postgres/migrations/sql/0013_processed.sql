-- What the clock looks for after Redis lost its data: the signals that were processed last. They are stored in the order
-- of that time, so that an index by ranges of pages is enough: a few bytes a megabyte.
CREATE INDEX signals_processed ON signals USING brin (processed_at);
