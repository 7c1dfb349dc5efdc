CREATE TABLE projects (
    name TEXT PRIMARY KEY,
    container TEXT NOT NULL,
    language TEXT NOT NULL,
    multilingual BIGINT NOT NULL,
    description TEXT,
    confidence_threshold DOUBLE PRECISION,
    label_set TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    modified_at BIGINT NOT NULL,
    trained_at BIGINT,
    deployed_at BIGINT
);
CREATE INDEX projects_by_container ON projects (container);
CREATE TABLE label_sets (
    id TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    state TEXT NOT NULL,
    retired_at BIGINT
);
CREATE INDEX label_sets_by_state ON label_sets (state, retired_at);
CREATE TABLE categories (
    label_set TEXT NOT NULL,
    name TEXT NOT NULL,
    position BIGINT NOT NULL,
    description TEXT,
    PRIMARY KEY (label_set, name)
);
CREATE TABLE documents (
    label_set TEXT NOT NULL,
    location TEXT NOT NULL,
    language TEXT,
    dataset TEXT,
    state TEXT NOT NULL,
    etag TEXT,
    characters BIGINT,
    regions TEXT,
    labels BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (label_set, location)
);
CREATE TABLE label_counts (
    label_set TEXT NOT NULL,
    category TEXT NOT NULL,
    location TEXT NOT NULL,
    labels BIGINT NOT NULL,
    PRIMARY KEY (label_set, category, location)
);
CREATE INDEX label_counts_by_location ON label_counts (label_set, location);
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    project TEXT NOT NULL,
    target TEXT NOT NULL,
    exclusive BIGINT NOT NULL,
    status TEXT NOT NULL,
    progress TEXT,
    result TEXT,
    errors TEXT NOT NULL,
    warnings TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    finished_at BIGINT,
    attempt BIGINT NOT NULL,
    not_before BIGINT NOT NULL,
    lease_owner TEXT,
    lease_expires_at BIGINT,
    cancel_requested BIGINT NOT NULL
);
CREATE UNIQUE INDEX jobs_one_exclusive ON jobs (project) WHERE exclusive = 1 AND finished_at IS NULL;
CREATE INDEX jobs_waiting ON jobs (project, kind, created_at, id) WHERE finished_at IS NULL;
CREATE INDEX jobs_by_project ON jobs (project, kind, created_at);
CREATE INDEX jobs_by_expiry ON jobs (expires_at) WHERE finished_at IS NOT NULL;
CREATE TABLE job_turns (
    project TEXT PRIMARY KEY,
    served_at BIGINT NOT NULL
);
CREATE INDEX job_turns_by_time ON job_turns (served_at, project);
CREATE TABLE job_parts (
    job TEXT NOT NULL,
    side TEXT NOT NULL,
    part BIGINT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (job, side, part)
);
CREATE TABLE bundles (
    model_id TEXT PRIMARY KEY,
    project TEXT NOT NULL,
    label TEXT NOT NULL,
    recipe TEXT NOT NULL,
    training_config_version TEXT NOT NULL,
    manifest TEXT NOT NULL,
    snapshot TEXT,
    evaluation_summary TEXT,
    trained_at BIGINT NOT NULL,
    training_seconds BIGINT NOT NULL
);
CREATE INDEX bundles_by_snapshot ON bundles (snapshot);
CREATE TABLE models (
    project TEXT NOT NULL REFERENCES projects (name),
    label TEXT NOT NULL,
    model_id TEXT NOT NULL REFERENCES bundles (model_id),
    PRIMARY KEY (project, label)
);
CREATE INDEX models_by_bundle ON models (model_id);
CREATE TABLE evaluation_documents (
    model_id TEXT NOT NULL REFERENCES bundles (model_id),
    position BIGINT NOT NULL,
    location TEXT NOT NULL,
    result TEXT NOT NULL,
    PRIMARY KEY (model_id, position)
);
CREATE TABLE deployments (
    project TEXT NOT NULL REFERENCES projects (name),
    name TEXT NOT NULL,
    model_id TEXT NOT NULL REFERENCES bundles (model_id),
    deployed_at BIGINT NOT NULL,
    PRIMARY KEY (project, name)
);
CREATE INDEX deployments_by_bundle ON deployments (model_id);
CREATE TABLE extraction_jobs (
    id TEXT PRIMARY KEY,
    display_name TEXT
);
CREATE TABLE extraction_tasks (
    job TEXT NOT NULL,
    position BIGINT NOT NULL,
    header TEXT NOT NULL,
    status TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    results TEXT,
    PRIMARY KEY (job, position)
);
CREATE TABLE encoders (
    digest TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    tokenizer BLOB NOT NULL
);
CREATE TABLE access_keys (
    id TEXT PRIMARY KEY,
    digest BLOB NOT NULL,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
