-- Finds what Prune deletes. None of its columns changes when a session is refreshed, so that a refresh writes no index.
CREATE INDEX sessions_prune_idx ON sessions (COALESCE(ended_at, expires_at));
