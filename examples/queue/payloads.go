//go:build !wasip1

package queue

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// minLarge is how many bytes a payload has at the least that is kept outside of
	// its row.
	minLarge = 1 << 10
	// minOutside is how many bytes those of one Send have together, at the least: to
	// sync a second file takes longer than to write less to the database.
	minOutside = 64 << 10
)

// castagnoli is the table of CRC-32C, for which processors have an instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged is in the errors for payloads that are not what was sent. They keep
// nobody from other messages.
var errDamaged = errors.New("the payload is damaged")

// ReadPayload returns the payload of a message in the database of a file, which is
// an encoded google.protobuf.Any: m.Payload, or what is in the file that m names. For
// a message that was marked done meanwhile, it fails. It may be called while a host
// uses the database.
func ReadPayload(database string, m ParigotTestMessage) ([]byte, error) {
	path, err := filepath.EvalSymlinks(database) // as SQLite does for its log
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	r := payloadReader{segments: &segments{dir: path + payloadDir}}
	payload, err := r.read(m)
	if err = errors.Join(err, r.close()); err != nil {
		return nil, fmt.Errorf("queue: the payload of row %d: %w", m.RowID, err)
	}
	return payload, nil
}

// payloadReader reads payloads, and keeps the segment open that it read last.
type payloadReader struct {
	segments *segments
	segment  int64 // of file
	file     *os.File
	size     int64
}

// read returns the payload of a row.
func (r *payloadReader) read(m ParigotTestMessage) ([]byte, error) {
	if !m.PayloadSegment.Valid {
		return m.Payload, nil
	}
	segment, offset, length := m.PayloadSegment.Int64, m.PayloadOffset.Int64, m.PayloadLength.Int64
	if err := r.open(segment); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	} else if err != nil {
		return nil, err
	}
	if offset < 0 || length < 1 || length > largestMaxPayload || offset > r.size-length {
		return nil, fmt.Errorf("%w: the row says that it has %d bytes at %d of segment %d", errDamaged, length, offset, segment)
	}
	payload := make([]byte, length)
	if _, err := r.file.ReadAt(payload, offset); err != nil {
		return nil, err
	}
	if sum := crc32.Checksum(payload, castagnoli); int64(sum) != m.PayloadChecksum.Int64 {
		return nil, fmt.Errorf("%w: the %d bytes at %d of segment %d have another checksum than those that were sent",
			errDamaged, length, offset, segment)
	}
	return payload, nil
}

func (r *payloadReader) open(segment int64) error {
	if r.file != nil && r.segment == segment {
		return nil
	}
	err := r.close()
	if err != nil {
		return err
	}
	if r.file, err = os.Open(r.segments.path(segment)); err != nil {
		return err
	}
	info, err := r.file.Stat()
	if err != nil {
		return err
	}
	r.segment, r.size = segment, info.Size()
	return nil
}

// close closes the segment, if one is open.
func (r *payloadReader) close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}
