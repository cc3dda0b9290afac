-- name: CreateQueue :one
INSERT INTO parigot_test_queue (name) VALUES (?) RETURNING *;

-- name: CreateIdToKeyMapping :one
INSERT INTO parigot_test_queue_id_to_key (id_low, id_high, queue_key) VALUES (?, ?, ?) RETURNING *;

-- name: GetQueue :one
SELECT * FROM parigot_test_queue WHERE id = ?;

-- name: TestNameExists :one
SELECT count(*) FROM parigot_test_queue WHERE name = ?;

-- name: Locate :one
-- Locate returns the id of the queue of a name.
SELECT id_high, id_low FROM parigot_test_queue_id_to_key
WHERE queue_key = (SELECT id FROM parigot_test_queue WHERE name = ?);

-- name: QueueKey :one
-- QueueKey is the inverse of CreateIdToKeyMapping.
SELECT queue_key FROM parigot_test_queue_id_to_key WHERE id_high = ? AND id_low = ?;

-- name: CountQueues :one
SELECT count(*) FROM parigot_test_queue;

-- name: DeleteQueue :exec
-- DeleteQueue takes the messages of the queue along, by the foreign keys.
DELETE FROM parigot_test_queue WHERE id = ?;

-- name: CreateMessage :one
INSERT INTO parigot_test_message (id_low, id_high, queue_key, sender, payload, original_sent, room)
VALUES (?, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), zeroblob(56)) RETURNING *;

-- name: AddMessage :exec
-- AddMessage is CreateMessage for many messages: to return them would take longer
-- than to store them. The room is for two times of 24 bytes and visible_at.
INSERT INTO parigot_test_message (id_low, id_high, queue_key, sender, payload, original_sent, room)
VALUES (?, ?, ?, ?, ?, ?, zeroblob(56));

-- name: AddLargeMessage :exec
-- AddLargeMessage is AddMessage for a message whose payload is in a segment.
INSERT INTO parigot_test_message (id_low, id_high, queue_key, sender, payload, original_sent, room,
    payload_segment, payload_offset, payload_length, payload_checksum)
VALUES (?, ?, ?, ?, x'', ?, zeroblob(56), ?, ?, ?, ?);

-- name: SegmentEnd :one
-- SegmentEnd returns the last payload of a segment.
SELECT payload_offset, payload_length FROM parigot_test_message
WHERE payload_segment = ? ORDER BY payload_offset DESC LIMIT 1;

-- name: NextSegment :one
-- NextSegment returns the first segment after another one that has payloads.
SELECT payload_segment FROM parigot_test_message
WHERE payload_segment > ? ORDER BY payload_segment LIMIT 1;

-- name: RetrieveMessage :many
-- RetrieveMessage returns the messages of a queue that are not done, in the order
-- in which they were sent, at most 100. It does not take them out of sight.
SELECT m.* FROM parigot_test_message AS m
JOIN parigot_test_queue_id_to_key AS k ON k.queue_key = m.queue_key
WHERE k.id_high = ? AND k.id_low = ? AND m.marked_done IS NULL
ORDER BY m.row_id LIMIT 100;

-- name: UpdateMessageRetrieved :exec
-- UpdateMessageRetrieved counts a delivery of a message.
UPDATE parigot_test_message SET
    received_count = received_count + 1,
    first_received = coalesce(first_received, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    last_received  = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
WHERE queue_key = ? AND id_low = ? AND id_high = ?;

-- name: ReturnedMessages :many
-- ReturnedMessages names messages whose visibility timeout is over.
SELECT row_id, coalesce(length(sender), 0) + length(payload) + min(coalesce(payload_length, 0), 16777216) AS size,
    received_count FROM parigot_test_message
WHERE queue_key = ? AND marked_done IS NULL AND visible_at > 0 AND visible_at <= ?
ORDER BY visible_at, row_id LIMIT ?;

-- name: NewMessages :many
-- NewMessages names messages that nobody has received.
SELECT row_id, coalesce(length(sender), 0) + length(payload) + min(coalesce(payload_length, 0), 16777216) AS size,
    received_count FROM parigot_test_message
WHERE queue_key = ? AND marked_done IS NULL AND visible_at = 0
ORDER BY row_id LIMIT ?;

-- name: LeaseMessage :one
-- LeaseMessage takes a message out of sight and counts the delivery. A row that is
-- delivered for the first time keeps its size.
UPDATE parigot_test_message SET
    visible_at     = sqlc.arg(visible_at),
    received_count = received_count + 1,
    first_received = coalesce(first_received, sqlc.arg(now)),
    last_received  = sqlc.arg(now),
    room           = NULL
WHERE row_id = sqlc.arg(row_id) RETURNING *;

-- name: BuryMessage :exec
-- BuryMessage moves a message to the dead-letter queue.
UPDATE parigot_test_message SET queue_key = sqlc.arg(dead_letter_key), visible_at = 0
WHERE row_id = sqlc.arg(row_id);

-- name: BuryMessages :many
-- BuryMessages moves messages of a queue that were delivered often enough, and whose
-- visibility timeout is over, to the dead-letter queue.
UPDATE parigot_test_message SET queue_key = sqlc.arg(dead_letter_key), visible_at = 0
WHERE row_id IN (
    SELECT m.row_id FROM parigot_test_message AS m
    WHERE m.queue_key = sqlc.arg(queue_key) AND m.marked_done IS NULL
        AND m.visible_at > 0 AND m.visible_at <= sqlc.arg(now) AND m.received_count >= sqlc.arg(max_receives)
    ORDER BY m.visible_at, m.row_id LIMIT sqlc.arg(limit))
RETURNING row_id;

-- name: OtherQueues :many
SELECT id FROM parigot_test_queue WHERE id <> ?;

-- name: IsOpen :one
-- IsOpen counts the messages of an id that are not done: 0 or 1.
SELECT count(*) FROM parigot_test_message
WHERE queue_key = ? AND id_low = ? AND id_high = ? AND marked_done IS NULL;

-- name: MarkDone :exec
UPDATE parigot_test_message SET marked_done = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
WHERE queue_key = ? AND id_low = ? AND id_high = ? AND marked_done IS NULL;

-- name: RemoveMessage :execrows
-- RemoveMessage is MarkDone for messages that nobody keeps.
DELETE FROM parigot_test_message
WHERE queue_key = ? AND id_low = ? AND id_high = ? AND marked_done IS NULL;

-- name: RemoveDone :execrows
-- RemoveDone removes messages that have been done for a while, at most 2000.
DELETE FROM parigot_test_message WHERE row_id IN (
    SELECT m.row_id FROM parigot_test_message AS m
    WHERE m.marked_done IS NOT NULL
        AND m.marked_done <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', CAST(sqlc.arg(modifier) AS TEXT))
    ORDER BY m.marked_done LIMIT 2000);

-- name: Length :one
SELECT count(*) FROM parigot_test_message WHERE queue_key = ? AND marked_done IS NULL;

-- name: ShortenLeases :exec
-- ShortenLeases has no message out of sight for longer than a timeout from now,
-- whatever the clock did since.
UPDATE parigot_test_message SET visible_at = sqlc.arg(latest)
WHERE marked_done IS NULL AND visible_at > sqlc.arg(latest);
