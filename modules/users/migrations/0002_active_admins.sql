-- Finds another active administrator, so that the last one stays. It holds administrators alone, and none of its columns
-- changes with a login.
CREATE INDEX users_active_admins_idx ON users (role, id) WHERE role = 'admin' AND is_active;
