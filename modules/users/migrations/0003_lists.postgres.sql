-- What lists sort and search by, computed by account.Fold and compared by bytes, as SQLite compares. Rows from before, and
-- those that an older version still writes, have nothing here until the job users.fold has computed it.
ALTER TABLE users ADD COLUMN email_folded text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN full_name_folded text COLLATE "C" NOT NULL DEFAULT '';

-- The sorts, and what q finds.
CREATE INDEX users_created_at_idx ON users (created_at, id);
CREATE INDEX users_last_login_at_idx ON users (last_login_at NULLS FIRST, id);
CREATE INDEX users_email_folded_idx ON users (email_folded, id);
CREATE INDEX users_full_name_folded_idx ON users (full_name_folded, id);

-- The filters: one for each that may be alone, and one for both, so that a page is one range whatever is rare.
CREATE INDEX users_role_created_at_idx ON users (role, created_at, id);
CREATE INDEX users_is_active_created_at_idx ON users (is_active, created_at, id);
CREATE INDEX users_role_is_active_created_at_idx ON users (role, is_active, created_at, id);
