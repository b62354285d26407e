-- A known address names its account, and the digest under which failed logins from there are counted, so that both go with
-- the account. Rows from before name none and are pruned once they have expired.
ALTER TABLE auth_known_addresses ADD COLUMN account_id uuid REFERENCES users (id) ON DELETE CASCADE;
ALTER TABLE auth_known_addresses ADD COLUMN failures_digest bytea;

-- Finds what goes with an account.
CREATE INDEX auth_known_addresses_account_id_idx ON auth_known_addresses (account_id);
