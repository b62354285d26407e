-- users_active_admin_idx, of the lists, finds another active administrator as well. Beside this index, SQLite sorted the list
-- of all active administrators by itself.
DROP INDEX users_active_admins_idx;
