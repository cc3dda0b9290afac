-- The tables of the queue plugin, as all migrations together make them. sqlc
-- reads this file, and a test compares it with the migrations.
--
-- Columns that are never NULL are checked instead of declared NOT NULL where the
-- documented row types have a sql.Null… for them.

CREATE TABLE parigot_test_queue (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
);

-- The 128 bits of a queue's id, which guests know, and its key in this database.
CREATE TABLE parigot_test_queue_id_to_key (
    id_low    INTEGER CHECK (id_low IS NOT NULL),
    id_high   INTEGER CHECK (id_high IS NOT NULL),
    queue_key INTEGER UNIQUE CHECK (queue_key IS NOT NULL)
        REFERENCES parigot_test_queue (id) ON DELETE CASCADE,
    UNIQUE (id_high, id_low)
);

-- The last four columns are where a payload is that is not in its row, which then has
-- an empty one: in which segment, from which byte on, how many bytes, and their CRC-32C.
CREATE TABLE parigot_test_message (
    id_low         INTEGER CHECK (id_low IS NOT NULL),
    id_high        INTEGER CHECK (id_high IS NOT NULL),
    queue_key      INTEGER CHECK (queue_key IS NOT NULL)
        REFERENCES parigot_test_queue (id) ON DELETE CASCADE,
    -- Times are text, in UTC: 2006-01-02T15:04:05.000Z.
    last_received  TEXT,
    received_count INTEGER DEFAULT 0 CHECK (received_count >= 0),
    original_sent  TEXT CHECK (original_sent IS NOT NULL),
    marked_done    TEXT,
    first_received TEXT,
    -- 0: it was never received. Otherwise it is out of sight until then, in
    -- microseconds since 1970.
    visible_at     INTEGER NOT NULL DEFAULT 0,
    -- Bytes for the columns that the first delivery fills: SQLite writes all of a
    -- row anew when its size changes, and only what has changed when it does not.
    room           BLOB,
    -- A google.protobuf.Any each, in its binary form; sender may be empty.
    sender         BLOB,
    payload        BLOB CHECK (payload IS NOT NULL),
    -- Rows are numbered in the order in which they were sent. With AUTOINCREMENT
    -- each Send would write one more page, and no number would come again.
    row_id         INTEGER PRIMARY KEY, payload_segment INTEGER, payload_offset INTEGER, payload_length INTEGER, payload_checksum INTEGER,
    UNIQUE (id_high, id_low)
);

-- What Receive looks at: first what has come back, then what is new. It is for all
-- messages, as a queue that is deleted looks for its messages here.
CREATE INDEX parigot_test_message_ready
    ON parigot_test_message (queue_key, marked_done, visible_at, row_id);

-- What is done, and kept for a while.
CREATE INDEX parigot_test_message_done
    ON parigot_test_message (marked_done) WHERE marked_done IS NOT NULL;

-- Which segments are in use, and up to where.
CREATE INDEX parigot_test_message_payload
    ON parigot_test_message (payload_segment, payload_offset) WHERE payload_segment IS NOT NULL;
