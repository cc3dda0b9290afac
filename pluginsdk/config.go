package pluginsdk

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// ConfigChecker is a [ParigotInit] that can tell whether a configuration works without
// being initialised, so that a deployment can be checked without starting anything. A
// plugin need not be one; Init finds the mistakes of one that is not.
type ConfigChecker interface {
	// CheckConfig returns what is wrong with the configuration, and how to mend it; nil
	// if nothing is. It reads the configuration with [ReadConfig], which may find none.
	// It may look at files and directories, but changes nothing, waits for nothing, and
	// leaves nothing open. It may be called before Init, any number of times, and
	// concurrently.
	CheckConfig(ctx context.Context) error
}

// CheckConfig asks a plugin whether a configuration works, see [ConfigChecker]. It returns
// nil for a plugin that cannot tell. config may be nil, which means none. A panic is an
// error. [Start] does this before Init. For a plugin in a process of its own, see
// process.CheckConfig.
func CheckConfig(ctx context.Context, plugin ParigotInit, config proto.Message) error {
	return checkConfig(core.WithConfig(ctx, config), plugin)
}

// ChecksConfig reports whether a plugin can check its configuration: whether it, or one of
// those that it was made of by [InitAll] or [Described], is a [ConfigChecker].
func ChecksConfig(plugin ParigotInit) bool {
	switch p := plugin.(type) {
	case described:
		return ChecksConfig(p.ParigotInit)
	case all:
		for _, one := range p {
			if ChecksConfig(one) {
				return true
			}
		}
		return false
	}
	_, ok := plugin.(ConfigChecker)
	return ok
}

// checkConfig is CheckConfig with the configuration in ctx.
func checkConfig(ctx context.Context, plugin ParigotInit) (err error) {
	switch p := plugin.(type) {
	case described:
		return checkConfig(ctx, p.ParigotInit)
	case all:
		for _, one := range p {
			if err := checkConfig(ctx, one); err != nil {
				return err
			}
		}
		return nil
	}
	checker, ok := plugin.(ConfigChecker)
	if !ok {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = status.Errorf(status.Internal, "panic in CheckConfig: %v", p)
		}
	}()
	return checker.CheckConfig(ctx)
}

// ReadConfig copies the configuration that the host gave the plugin into into.
// Without one it leaves into as it is. It is an error when the host gave a
// message of another type. ctx is the one that Init or CheckConfig got.
func ReadConfig(ctx context.Context, into proto.Message) error {
	config := core.ConfigOf(ctx)
	if config == nil {
		return nil
	}
	want, got := into.ProtoReflect().Descriptor().FullName(), config.ProtoReflect().Descriptor().FullName()
	if want != got {
		return status.Errorf(status.InvalidArgument, "the plugin is configured with a %s, the host gave a %s", want, got)
	}
	// Through bytes, as the two may be different Go types of one message.
	b, err := proto.Marshal(config)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	if err := proto.Unmarshal(b, into); err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	return nil
}
