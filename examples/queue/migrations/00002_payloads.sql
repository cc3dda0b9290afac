-- +goose Up

-- Where a payload is that is not in its row, which then has an empty one: in which
-- segment, from which byte on, how many bytes, and their CRC-32C.
ALTER TABLE parigot_test_message ADD COLUMN payload_segment INTEGER;
ALTER TABLE parigot_test_message ADD COLUMN payload_offset INTEGER;
ALTER TABLE parigot_test_message ADD COLUMN payload_length INTEGER;
ALTER TABLE parigot_test_message ADD COLUMN payload_checksum INTEGER;

-- Which segments are in use, and up to where.
CREATE INDEX parigot_test_message_payload
    ON parigot_test_message (payload_segment, payload_offset) WHERE payload_segment IS NOT NULL;

-- +goose Down
DROP INDEX parigot_test_message_payload;
ALTER TABLE parigot_test_message DROP COLUMN payload_checksum;
ALTER TABLE parigot_test_message DROP COLUMN payload_length;
ALTER TABLE parigot_test_message DROP COLUMN payload_offset;
ALTER TABLE parigot_test_message DROP COLUMN payload_segment;
