CREATE TABLE sns_topics (
    source TEXT NOT NULL,
    topic TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (source, topic)
);
CREATE TABLE sns_certificates (
    source TEXT NOT NULL,
    url TEXT NOT NULL,
    given BIGINT NOT NULL,
    pem TEXT NOT NULL,
    PRIMARY KEY (source, url)
);
CREATE TABLE subscribers (
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project, name)
);
CREATE TABLE waiting_extractions (
    project TEXT NOT NULL,
    location TEXT NOT NULL,
    etag TEXT NOT NULL,
    PRIMARY KEY (project, location)
);
