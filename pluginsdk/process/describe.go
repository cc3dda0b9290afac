package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/iansmith/parigot/internal/core"
	"github.com/iansmith/parigot/internal/frame"
	"github.com/iansmith/parigot/internal/guard"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/parigotpb/processpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// Describe runs the program at path, whose main function calls [Main], for as long as it
// takes to say what its plugin is, see [pluginsdk.Describer]. The plugin is not
// initialised. Config of the description is a message of the plugin's own type, known by
// its descriptor only. Methods have descriptors and no handlers. Of opts, those
// about arguments, environment and [WithStartTimeout] count.
//
// The error is UNIMPLEMENTED when the plugin does not describe itself, FAILED_PRECONDITION
// when the program is none or cannot be run, DEADLINE_EXCEEDED when it takes too long, and
// CANCELLED when ctx is cancelled first.
func Describe(ctx context.Context, path string, opts ...Option) (pluginsdk.Description, error) {
	s := newSettings(path, opts)
	ctx, cancel := context.WithTimeout(ctx, s.startTimeout)
	defer cancel()
	d, err := describe(ctx, s)
	if err != nil {
		return pluginsdk.Description{}, fmt.Errorf("describe plugin %s: %w", s.name, err)
	}
	return d, nil
}

// CheckConfig runs the program at path for as long as it takes to check a configuration,
// see [pluginsdk.ConfigChecker]. The plugin is not initialised. It is for a plugin that says
// in its description that it checks its configuration. config may be nil, which means none.
// The error is that of the plugin, or of [Describe]. Of opts the same count as there.
func CheckConfig(ctx context.Context, path string, config proto.Message, opts ...Option) error {
	if supported != nil {
		return supported
	}
	s, discard := newSettings(path, opts), slog.New(slog.DiscardHandler)
	start, err := startOrder(s, discard, config)
	if err != nil {
		return err
	}
	start.CheckConfig = true
	p, err := launch(ctx, s, discard, start)
	if err != nil {
		return err
	}
	p.kill(errEnded) // it has said what there is to say
	<-p.gone
	return nil
}

func describe(ctx context.Context, s *settings) (d pluginsdk.Description, err error) {
	if supported != nil {
		return d, supported
	}
	if ctx.Err() != nil {
		return d, status.Wrap(status.CodeOf(ctx.Err()), ctx.Err(), "run "+s.path)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return d, status.Wrap(status.ResourceExhausted, err, "make a pipe")
	}
	defer func() { _ = r.Close() }()
	cmd, err := s.command(modeDescribe, w)
	if err != nil {
		return d, errors.Join(err, w.Close())
	}
	out, err := newOutput(cmd, slog.New(slog.DiscardHandler))
	if err != nil {
		return d, errors.Join(status.Wrap(status.ResourceExhausted, err, "run the plugin"), w.Close())
	}
	defer out.finish()
	child, err := guard.Start(cmd)
	_ = w.Close() // nothing was written here
	if err != nil {
		return d, startError(cmd.Path, err)
	}
	out.started()
	unhook := context.AfterFunc(ctx, func() { _ = r.SetReadDeadline(time.Now()) })
	defer unhook()
	kind, payload, readErr := frame.NewReader(r, frame.MaxControl).Next()
	child.Kill() // it has said what there is to say
	end := child.Wait()
	if readErr == nil {
		return decodeDescription(kind, payload)
	}
	out.finish()
	return d, noDescription(ctx, readErr, end, &out.words)
}

// noDescription is the error of a program that ended, or was killed, before it described itself.
func noDescription(ctx context.Context, err, end error, said *words) error {
	code := status.FailedPrecondition
	switch {
	case ctx.Err() != nil:
		code, err = status.CodeOf(ctx.Err()), said.explain(ctx.Err(), nil)
	case errors.Is(err, io.EOF):
		err = said.explain(fmt.Errorf("%w: %w", errEnded, end), end)
	default:
		err = said.explain(err, nil)
	}
	return status.Wrap(code, err, "the program did not say what it is")
}

// writeDescription is the plugin's side of [Describe].
func writeDescription(plugin pluginsdk.ParigotInit) error {
	w := os.NewFile(controlDescriptor, "description")
	kind, payload, err := encodeDescription(plugin)
	if err != nil {
		kind, payload = frame.Failed, encodeStatus(err)
	}
	if _, err := w.Write(frame.Append(nil, kind, payload)); err != nil {
		return fmt.Errorf("write the description: %w", err)
	}
	return nil
}

func encodeDescription(plugin pluginsdk.ParigotInit) (frame.Kind, []byte, error) {
	describer, ok := plugin.(pluginsdk.Describer)
	if !ok {
		return 0, nil, status.Errorf(status.Unimplemented, "the plugin, a %T, has no method Describe", plugin)
	}
	d := describer.Describe()
	p := &processpb.ProcessDescription{ChecksConfig: pluginsdk.ChecksConfig(plugin)}
	var files fileSet
	if d.Config != nil {
		config := d.Config.ProtoReflect().Descriptor()
		p.ConfigType = string(config.FullName())
		files.add(config.ParentFile())
	}
	for _, s := range d.Services {
		service := &processpb.ProcessService{Name: s.Name, Module: s.Module}
		for i, d := range s.Methods {
			m := s.Bound(i)
			service.Methods = append(service.Methods, &processpb.ProcessMethod{
				Name: m.Name, Func: d.Func, BudgetNs: int64(m.Budget), MayBlock: m.MayBlock,
				Deprecated: m.Deprecated, Idempotency: int32(m.Idempotency), Redacted: m.Redacted,
			})
			if m.Descriptor == nil {
				continue
			}
			if method := m.Descriptor(); method != nil {
				files.add(method.ParentFile())
			}
		}
		p.Services = append(p.Services, service)
	}
	p.Files = &files.set
	payload, err := proto.Marshal(p)
	return frame.Description, payload, err
}

func decodeDescription(kind frame.Kind, payload []byte) (d pluginsdk.Description, err error) {
	switch kind { //nolint:exhaustive // the default is for all others
	case frame.Failed:
		if err := decodeStatus(payload); err != nil {
			return d, err
		}
		return d, status.Error(status.Unknown, "the plugin does not say why it does not describe itself")
	case frame.Description:
	default:
		return d, status.Errorf(status.FailedPrecondition, "the program sent a frame of kind %d, want its description", kind)
	}
	p := new(processpb.ProcessDescription)
	if err := decodeFrame(payload, p, "the description"); err != nil {
		return d, status.Wrap(status.FailedPrecondition, err, "the program does not say what it is")
	}
	files, err := openFiles(p.GetFiles())
	if err != nil {
		return d, err
	}
	d.ChecksConfig = p.GetChecksConfig()
	if name := p.GetConfigType(); name != "" {
		found, err := files.FindDescriptorByName(protoreflect.FullName(name))
		config, ok := found.(protoreflect.MessageDescriptor)
		if err != nil || !ok {
			return d, status.Errorf(status.FailedPrecondition, "the plugin is configured with a %s, which it does not describe", name)
		}
		d.Config = dynamicpb.NewMessage(config)
	}
	for _, s := range p.GetServices() {
		service := pluginsdk.Service{Name: s.GetName(), Module: s.GetModule()}
		for _, m := range s.GetMethods() {
			service.Methods = append(service.Methods, core.MethodDesc{Func: m.GetFunc(), Method: core.Method{
				Name: m.GetName(), Budget: time.Duration(m.GetBudgetNs()), MayBlock: m.GetMayBlock(),
				Deprecated: m.GetDeprecated(), Idempotency: core.Idempotency(m.GetIdempotency()), Redacted: m.GetRedacted(),
				Descriptor: methodIn(files, s.GetName()+"."+m.GetName()),
			}})
		}
		d.Services = append(d.Services, service)
	}
	return d, nil
}
