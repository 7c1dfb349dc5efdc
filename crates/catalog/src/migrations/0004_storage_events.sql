CREATE TABLE storage_events (
    id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    container TEXT NOT NULL,
    location TEXT NOT NULL,
    removed BIGINT NOT NULL,
    etag TEXT,
    position TEXT NOT NULL,
    state TEXT NOT NULL,
    outcomes TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    handled_at BIGINT
);
CREATE INDEX storage_events_waiting ON storage_events (container, received_at, id) WHERE handled_at IS NULL;
CREATE INDEX storage_events_by_time ON storage_events (received_at, id);
CREATE INDEX storage_events_handled ON storage_events (handled_at) WHERE handled_at IS NOT NULL;
CREATE TABLE event_sources (
    name TEXT PRIMARY KEY,
    digest BLOB NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE automations (
    project TEXT PRIMARY KEY,
    settings TEXT NOT NULL,
    modified_at BIGINT NOT NULL,
    label_file_seen TEXT,
    label_file_imported TEXT,
    trained_set TEXT NOT NULL,
    trained_labeled BIGINT NOT NULL,
    training_job TEXT
);
CREATE TABLE automation_extractions (
    project TEXT NOT NULL,
    location TEXT NOT NULL,
    etag TEXT NOT NULL,
    job TEXT NOT NULL,
    PRIMARY KEY (project, location)
);
