CREATE TABLE payments (
    id INTEGER PRIMARY KEY,
    changed_at INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE refunds (
    id INTEGER PRIMARY KEY,
    payment INTEGER NOT NULL
);
CREATE TABLE progress (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    position INTEGER NOT NULL,
    hash BLOB NOT NULL,
    evictions INTEGER NOT NULL,
    until INTEGER NOT NULL
);
