-- What lists sort and search by, computed by account.Fold. Rows from before, and
-- those that an older version still writes, have nothing here until the job users.fold has computed it.
ALTER TABLE users ADD COLUMN email_folded TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN full_name_folded TEXT NOT NULL DEFAULT '';

-- The sorts, and what q finds.
CREATE INDEX users_created_at_idx ON users (created_at, id);
CREATE INDEX users_last_login_at_idx ON users (last_login_at, id);
CREATE INDEX users_email_folded_idx ON users (email_folded, id);
CREATE INDEX users_full_name_folded_idx ON users (full_name_folded, id);

-- The filters, alone and together, so that a page is one range whatever is rare. Each row is in three of them. They are
-- partial because an index that begins with a column of two values tempts SQLite to skip through it for other lists.
CREATE INDEX users_user_idx ON users (created_at, id) WHERE role = 'user';
CREATE INDEX users_admin_idx ON users (created_at, id) WHERE role = 'admin';
CREATE INDEX users_active_idx ON users (created_at, id) WHERE is_active;
CREATE INDEX users_inactive_idx ON users (created_at, id) WHERE NOT is_active;
CREATE INDEX users_active_user_idx ON users (created_at, id) WHERE role = 'user' AND is_active;
CREATE INDEX users_active_admin_idx ON users (created_at, id) WHERE role = 'admin' AND is_active;
CREATE INDEX users_inactive_user_idx ON users (created_at, id) WHERE role = 'user' AND NOT is_active;
CREATE INDEX users_inactive_admin_idx ON users (created_at, id) WHERE role = 'admin' AND NOT is_active;
