-- One customer under several names: an account may count for another one.

-- In the account's own row, which a batch locks: so a batch and a merge cannot miss each other.
ALTER TABLE accounts
  ADD COLUMN merged_into text, -- the account that counts for this one; null: itself
  ADD COLUMN merged_step text; -- the account that it was merged into, which may have been merged itself since
CREATE INDEX accounts_merged ON accounts (tenant_id, merged_into) WHERE merged_into IS NOT NULL;

-- The account that an event names, where another one counts for it.
ALTER TABLE signals ADD COLUMN sent_account text;
