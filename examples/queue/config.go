//go:build !wasip1

package queue

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
)

const (
	// inMemory is the database that ends with its engine.
	inMemory = ":memory:"

	defaultVisibility = 30 * time.Second
	minVisibility     = time.Millisecond
	maxVisibility     = 12 * time.Hour

	defaultMaxPayload = 1 << 20
	largestMaxPayload = 16 << 20

	defaultMaxQueues = 1000

	// pageSize is SQLite's, in bytes; the smallest database has a few.
	pageSize    = 4096
	minDatabase = 64 * pageSize

	defaultBusyTimeout = 5 * time.Second
	// longestBusyTimeout is below the budget of the methods, so that a guest is
	// told what it waited for.
	longestBusyTimeout = 9 * time.Second

	longestKeepDone = 10 * 365 * 24 * time.Hour
)

// settings is a QueueConfig that was checked, with its defaults filled in.
type settings struct {
	database         string // an absolute path, or inMemory
	visibility       time.Duration
	maxReceives      uint32 // 0: no message is ever moved
	deadLetter       string // the name of a queue; "": no message is ever moved
	maxPayload       int    // bytes
	maxQueues        int64
	maxDatabaseBytes uint64 // 0: no limit
	keepDone         time.Duration
	busyTimeout      time.Duration

	// Tests have other values than hosts.
	minOutside   int   // see the constant
	segmentBytes int64 // likewise
}

// newSettings checks cfg. Its errors are for whoever configures the host, and
// say what to do.
func newSettings(cfg *queuev1.QueueConfig) (settings, error) {
	s := settings{
		database:         cfg.GetDatabase(),
		maxReceives:      cfg.GetMaxReceives(),
		deadLetter:       cfg.GetDeadLetterQueue(),
		maxPayload:       defaultMaxPayload,
		maxQueues:        defaultMaxQueues,
		maxDatabaseBytes: cfg.GetMaxDatabaseBytes(),
		minOutside:       minOutside,
		segmentBytes:     segmentBytes,
	}
	if n := cfg.GetMaxPayloadBytes(); n > largestMaxPayload {
		return settings{}, fmt.Errorf("queue: QueueConfig.max_payload_bytes is %d: set it to at most %d", n, largestMaxPayload)
	} else if n > 0 {
		s.maxPayload = int(n)
	}
	if n := cfg.GetMaxQueues(); n > 0 {
		s.maxQueues = int64(n)
	}
	if n := s.maxDatabaseBytes; n != 0 && n < minDatabase {
		return settings{}, fmt.Errorf("queue: QueueConfig.max_database_bytes is %d: set it to at least %d, or to 0 for no limit", n, minDatabase)
	}
	if s.deadLetter != "" {
		if err := checkName(s.deadLetter); err != nil {
			return settings{}, fmt.Errorf("queue: QueueConfig.dead_letter_queue: %w", err)
		}
	}
	return s, errors.Join(s.setDatabase(), s.setDurations(cfg))
}

func (s *settings) setDatabase() error {
	switch s.database {
	case "":
		return errors.New("queue: QueueConfig.database is not set: set it to the file that is to hold the queues, " +
			`or to ":memory:" for queues that end with the engine`)
	case inMemory:
		return nil
	}
	path, err := filepath.Abs(s.database)
	if err != nil {
		return fmt.Errorf("queue: QueueConfig.database: %w", err)
	}
	s.database = path
	return nil
}

func (s *settings) setDurations(cfg *queuev1.QueueConfig) error {
	var errs [3]error
	s.visibility, errs[0] = durationOf("visibility_timeout", cfg.GetVisibilityTimeout(), defaultVisibility, minVisibility, maxVisibility)
	s.keepDone, errs[1] = durationOf("keep_done", cfg.GetKeepDone(), 0, 0, longestKeepDone)
	s.busyTimeout, errs[2] = durationOf("busy_timeout", cfg.GetBusyTimeout(), defaultBusyTimeout, 0, longestBusyTimeout)
	return errors.Join(errs[:]...)
}

// durationOf returns the duration of a field, which has a default.
func durationOf(field string, d *durationpb.Duration, unset, least, most time.Duration) (time.Duration, error) {
	if d == nil {
		return unset, nil
	}
	if err := d.CheckValid(); err != nil {
		return 0, fmt.Errorf("queue: QueueConfig.%s: %w", field, err)
	}
	v := d.AsDuration()
	if v < least || v > most {
		return 0, fmt.Errorf("queue: QueueConfig.%s is %s: set it to something between %s and %s", field, v, least, most)
	}
	return v, nil
}
