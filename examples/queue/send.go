//go:build !wasip1

package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"google.golang.org/protobuf/proto"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// rowBytes is more than a small message takes beside its payload and sender: about
// 160 bytes, in its row and in the indexes.
const rowBytes = 256

// batch is what one Send brings, encoded.
type batch struct {
	messages []content
	block    []byte // large payloads, one after the other, and zeros to the end of a page; may be empty
}

// content is what a message holds.
type content struct {
	id              queuev1parigot.QueueMsgId
	sender, payload []byte

	inBlock  bool   // payload is a part of the block
	offset   int64  // from which byte on
	checksum uint32 // of payload
}

// newMessageID returns an id that nobody can guess: 80 of its bits are random. It
// starts with the time, so that the index of the ids grows at its end and the
// messages of a batch lie together; random ids made a batch several times as slow.
func newMessageID() queuev1parigot.QueueMsgId {
	random := queuev1parigot.NewQueueMsgId()
	const randomBits = 16
	high := uint64(time.Now().UnixMilli())<<randomBits | random.High()&(1<<randomBits-1)
	return id.From[queuev1parigot.QueueMsgIdKind](high, random.Low())
}

// batchOf checks and encodes what is to be sent.
func (st *store) batchOf(ctx context.Context, messages []*queuev1.QueueMsg) (*batch, error) {
	if len(messages) == 0 {
		return nil, status.Error(queuev1.QueueErr_NoPayload, "the request has no message")
	}
	if len(messages) > maxBatch {
		return nil, status.Errorf(status.InvalidArgument, "the request has %d messages, at most %d are allowed", len(messages), maxBatch)
	}
	b := &batch{messages: make([]content, len(messages)), block: st.blockFor(messages)}
	for i, m := range messages {
		c := content{id: newMessageID()}
		var err error
		if c.sender, err = st.encodeSender(ctx, fmt.Sprintf("msg[%d].sender", i), m.GetSender()); err != nil {
			return nil, err
		}
		var into []byte
		if c.inBlock = b.block != nil && proto.Size(m.GetPayload()) >= minLarge; c.inBlock {
			into, c.offset = b.block, int64(len(b.block))
		}
		into, err = st.encodePayload(ctx, into, fmt.Sprintf("msg[%d].payload", i), m.GetPayload())
		if err != nil {
			return nil, err
		}
		c.payload = into[c.offset:]
		if c.inBlock {
			b.block, c.checksum = into, crc32.Checksum(c.payload, castagnoli)
		}
		b.messages[i] = c
	}
	b.block = b.block[:alignUp(int64(len(b.block)))] // there is room for that
	return b, nil
}

// blockFor returns the room for the block of messages, and nil when their payloads
// are not large enough for one.
func (st *store) blockFor(messages []*queuev1.QueueMsg) []byte {
	size := 0
	for _, m := range messages {
		if n := proto.Size(m.GetPayload()); n >= minLarge {
			size += n
		}
	}
	if st.segments == nil || size < st.minOutside {
		return nil
	}
	return make([]byte, 0, alignUp(int64(size)))
}

// insert stores messages in their order.
func (st *store) insert(ctx context.Context, q *Queries, queueID queuev1parigot.QueueId, b *batch) error {
	key, err := keyOf(ctx, q, queueID)
	if err != nil {
		return err
	}
	at, err := st.place(ctx, b)
	if err != nil {
		return err
	}
	if at.segment == 0 {
		return insertRows(ctx, q, key, b, at)
	}
	synced, err := st.segments.write(at, b.block)
	if err != nil {
		return fmt.Errorf("write payloads: %w", err)
	}
	err = insertRows(ctx, q, key, b, at) // while the disk is busy with the payloads
	if syncErr := synced(); syncErr != nil {
		return errors.Join(err, fmt.Errorf("sync payloads: %w", syncErr))
	}
	return err
}

// insertRows inserts a row for each message, whose block is at a place.
func insertRows(ctx context.Context, q *Queries, key sql.NullInt64, b *batch, at place) (err error) {
	sent := textOfNow()
	for _, m := range b.messages {
		if m.inBlock && at.segment > 0 {
			err = q.AddLargeMessage(ctx, AddLargeMessageParams{
				IDLow: bits(m.id.Low()), IDHigh: bits(m.id.High()), QueueKey: key, Sender: m.sender, OriginalSent: sent,
				PayloadSegment: number(at.segment), PayloadOffset: number(at.offset + m.offset),
				PayloadLength: number(int64(len(m.payload))), PayloadChecksum: number(int64(m.checksum)),
			})
		} else {
			err = q.AddMessage(ctx, AddMessageParams{
				IDLow: bits(m.id.Low()), IDHigh: bits(m.id.High()), QueueKey: key,
				Sender: m.sender, Payload: m.payload, OriginalSent: sent,
			})
		}
		if err != nil {
			return fmt.Errorf("insert a message: %w", err)
		}
	}
	return nil
}

// place finds room for b, and fails when the database may not become so large. The
// place is for its block; there is none when all is to be in rows.
//
// Only who sends is refused: a message needs some more room when it is received,
// and could never be marked done without.
func (st *store) place(ctx context.Context, b *batch) (place, error) {
	if st.maxDatabaseBytes == 0 {
		return st.placeBlock(ctx, b, math.MaxInt64)
	}
	limit := int64(min(st.maxDatabaseBytes, math.MaxInt64))
	used, size, err := st.usage(ctx)
	if err != nil {
		return place{}, err
	}
	at, err := st.placeBlock(ctx, b, limit-size-b.rowBytes(true))
	if err != nil || used+b.rowBytes(at.segment > 0) <= limit {
		return at, err
	}
	// Rows cannot have what segments have, unless these are given up.
	if st.segments != nil {
		if err := st.segments.removeFree(ctx, at.segment); err != nil {
			return place{}, err
		}
		if used, _, err = st.usage(ctx); err != nil || used+b.rowBytes(at.segment > 0) <= limit {
			return at, err
		}
	}
	return place{}, status.Error(status.ResourceExhausted, "the host's queues are as full as they may be: have messages marked done")
}

// placeBlock finds room for the block of b, if it has one and a segment has room or
// a new one of at most room bytes.
func (st *store) placeBlock(ctx context.Context, b *batch, room int64) (place, error) {
	if len(b.block) == 0 {
		return place{}, nil
	}
	at, err := st.segments.place(ctx, int64(len(b.block)), room)
	if errors.Is(err, errNoRoom) {
		return place{}, nil
	}
	if err != nil {
		return place{}, fmt.Errorf("find room for payloads: %w", err)
	}
	return at, nil
}

// usage returns how many bytes the database and its segments have, and how many of
// these rows can use no more.
func (st *store) usage(ctx context.Context) (used, size int64, err error) {
	if err := st.conn.QueryRowContext(ctx, "SELECT (page_count - freelist_count) * page_size, page_count * page_size "+
		"FROM pragma_page_count, pragma_freelist_count, pragma_page_size").Scan(&used, &size); err != nil {
		return 0, 0, fmt.Errorf("ask how large the database is: %w", err)
	}
	if st.segments == nil {
		return used, size, nil
	}
	outside, err := st.segments.bytes()
	if err != nil {
		return 0, 0, fmt.Errorf("ask how large the payload segments are: %w", err)
	}
	return used + outside, size + outside, nil
}

// rowBytes returns about how many bytes the rows of b need.
func (b *batch) rowBytes(blockOutside bool) (n int64) {
	for _, m := range b.messages {
		n += int64(rowBytes + len(m.sender))
		if !m.inBlock || !blockOutside {
			n += int64(len(m.payload))
		}
	}
	return n
}

// openSegments opens the segments of a database in a file, and removes those that
// hold nothing.
func (st *store) openSegments(ctx context.Context) (err error) {
	if st.database == inMemory {
		return nil
	}
	st.db.SetMaxOpenConns(2)
	reader, err := st.db.Conn(ctx)
	if err != nil {
		return err
	}
	committed, err := Prepare(ctx, reader)
	if err != nil {
		return errors.Join(err, reader.Close())
	}
	st.reader, st.segments = reader, &segments{
		dir: st.database + payloadDir, size: st.segmentBytes, committed: committed, sync: syncData, ends: map[int64]int64{},
	}
	// No other host writes meanwhile.
	if err := st.begin(ctx); err != nil {
		return err
	}
	defer st.rollback(ctx)
	if err := st.segments.check(ctx); err != nil {
		return err
	}
	return st.segments.removeFree(ctx, 0)
}

// number returns what a column holds.
func number(n int64) sql.NullInt64 { return sql.NullInt64{Int64: n, Valid: true} }
