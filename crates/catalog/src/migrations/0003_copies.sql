CREATE TABLE copy_grants (
    digest TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    container TEXT,
    replaces BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX copy_grants_by_expiry ON copy_grants (expires_at);
CREATE TABLE exported_models (
    project TEXT NOT NULL REFERENCES projects (name),
    name TEXT NOT NULL,
    model_id TEXT NOT NULL,
    training_config_version TEXT NOT NULL,
    trained_at BIGINT NOT NULL,
    exported_at BIGINT NOT NULL,
    PRIMARY KEY (project, name)
);
CREATE TABLE exported_files (
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    file TEXT NOT NULL,
    part BIGINT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (project, name, file, part)
);
