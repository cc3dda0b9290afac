//go:build !wasip1

package syscall

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/iansmith/parigot/pluginsdk/syscallpb"
)

const (
	defaultMaxHosts         = 4096
	defaultMaxServices      = 4096
	defaultMaxMethods       = 65536
	defaultMaxGuestServices = 256
	defaultMaxGuestMethods  = 4096
	defaultMaxPayload       = 16 << 20
	// largestMaxPayload keeps a response of Next, with the metadata of the call, below
	// the size that an engine lets through by default. Above it, the engine would
	// refuse what the kernel already counts as read.
	largestMaxPayload       = 32 << 20
	defaultMaxQueuedCalls   = 1024
	defaultMaxCallsInFlight = 1024
	defaultMaxWaitingBytes  = 64 << 20
	defaultMaxCallDepth     = 64
	defaultLaunchTimeout    = 30 * time.Second
	defaultWriteTimeout     = 30 * time.Second
)

// settings is a SyscallConfig that was checked, with its defaults filled in.
type settings struct {
	maxHosts         int
	maxServices      int
	maxMethods       int
	maxGuestServices int
	maxGuestMethods  int
	maxPayload       int
	maxQueuedCalls   int
	maxCallsInFlight int
	maxWaitingBytes  int
	maxCallDepth     int
	launchTimeout    time.Duration
	writeTimeout     time.Duration
	exitGuests       []string
}

// newSettings checks cfg. Its errors are for whoever configures the host, and
// say what to do.
func newSettings(cfg *syscallpb.SyscallConfig) (settings, error) {
	s := settings{
		maxHosts:         orDefault(cfg.GetMaxHosts(), defaultMaxHosts),
		maxServices:      orDefault(cfg.GetMaxServices(), defaultMaxServices),
		maxMethods:       orDefault(cfg.GetMaxMethods(), defaultMaxMethods),
		maxGuestServices: orDefault(cfg.GetMaxGuestServices(), defaultMaxGuestServices),
		maxGuestMethods:  orDefault(cfg.GetMaxGuestMethods(), defaultMaxGuestMethods),
		maxPayload:       orDefault(cfg.GetMaxPayloadBytes(), defaultMaxPayload),
		maxQueuedCalls:   orDefault(cfg.GetMaxQueuedCalls(), defaultMaxQueuedCalls),
		maxCallsInFlight: orDefault(cfg.GetMaxCallsInFlight(), defaultMaxCallsInFlight),
		maxWaitingBytes:  orDefault(cfg.GetMaxWaitingBytes(), defaultMaxWaitingBytes),
		maxCallDepth:     orDefault(cfg.GetMaxCallDepth(), defaultMaxCallDepth),
		exitGuests:       cfg.GetExitGuests(),
	}
	if s.maxPayload > largestMaxPayload {
		return settings{}, fmt.Errorf("syscall: SyscallConfig.max_payload_bytes is %d: set it to at most %d",
			s.maxPayload, largestMaxPayload)
	}
	s.maxWaitingBytes = max(s.maxWaitingBytes, s.maxPayload)
	for i, name := range s.exitGuests {
		if name == "" {
			return settings{}, fmt.Errorf("syscall: SyscallConfig.exit_guests[%d] is empty: name a guest, or remove it", i)
		}
	}
	var err error
	if s.launchTimeout, err = timeout("launch_timeout", cfg.GetLaunchTimeout(), defaultLaunchTimeout); err != nil {
		return settings{}, err
	}
	s.writeTimeout, err = timeout("write_timeout", cfg.GetWriteTimeout(), defaultWriteTimeout)
	return s, err
}

func orDefault(n uint32, fallback int) int {
	if n == 0 {
		return fallback
	}
	return int(n)
}

func timeout(field string, d *durationpb.Duration, fallback time.Duration) (time.Duration, error) {
	if err := d.CheckValid(); d != nil && err != nil {
		return 0, fmt.Errorf("syscall: SyscallConfig.%s is no duration: %w", field, err)
	}
	switch t := d.AsDuration(); {
	case t < 0:
		return 0, fmt.Errorf("syscall: SyscallConfig.%s is %s: set it to more than 0, or leave it out for %s", field, t, fallback)
	case t > 0:
		return t, nil
	}
	return fallback, nil
}
