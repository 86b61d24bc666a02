-- What the clock looks for: notices that nobody has tried to send.
CREATE INDEX notices_unsent ON notices (created_at) WHERE sent_at IS NULL;
