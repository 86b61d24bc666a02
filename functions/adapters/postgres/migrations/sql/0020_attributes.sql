-- What is said of an account, as contacts have it: name -> [value, when it was so in microseconds since 2025-01-01, event].
ALTER TABLE accounts ADD COLUMN attributes json NOT NULL DEFAULT '{}';
