CREATE TABLE copy_grants (
    digest TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    container TEXT,
    replaces BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX copy_grants_by_expiry ON copy_grants (expires_at);
