//go:build !wasip1

package comments_impl

import (
	"context"

	"github.com/iansmith/parigot/internal/gen/testdata/comments/comments"
	"github.com/iansmith/parigot/internal/gen/testdata/comments/comments/commentsparigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// TalkPlugin implements the service comments.Talk.
//
// Talk says things.
//
// It says them in paragraphs:
//
//	and in code
//
// and in lists
//   - one
//   - two
type TalkPlugin struct {
	commentsparigot.UnimplementedTalkServer
}

var _ commentsparigot.TalkServer = (*TalkPlugin)(nil)

// ParigotInitialize is the plugin that a host initialises.
var ParigotInitialize pluginsdk.ParigotInit = &TalkPlugin{}

// Init registers a TalkPlugin of its own with e, so that its state belongs to
// that engine alone.
func (*TalkPlugin) Init(ctx context.Context, e eng.Engine) bool {
	return commentsparigot.RegisterTalk(ctx, e, &TalkPlugin{}) == nil
}

// Describe says what Init will register. With a configuration, set Config to
// an empty message of its type.
func (*TalkPlugin) Describe() pluginsdk.Description {
	return pluginsdk.Description{Services: []pluginsdk.Service{commentsparigot.Talk_ServiceDesc}}
}

// Say serves comments.Talk.Say.
//
// Say says it.
func (p *TalkPlugin) Say(ctx context.Context, req *comments.Word) (*comments.Word, error) {
	return nil, status.Error(status.Unimplemented, commentsparigot.Talk_Say_FullName+" is not implemented")
}

// Whisper serves comments.Talk.Whisper.
//
// Whisper has its comment behind it.
func (p *TalkPlugin) Whisper(ctx context.Context, req *comments.Word) (*comments.Word, error) {
	return nil, status.Error(status.Unimplemented, commentsparigot.Talk_Whisper_FullName+" is not implemented")
}

// Shout serves comments.Talk.Shout.
//
// Shout has a block,
// with stars.
func (p *TalkPlugin) Shout(ctx context.Context, req *comments.Word) (*comments.Word, error) {
	return nil, status.Error(status.Unimplemented, commentsparigot.Talk_Shout_FullName+" is not implemented")
}

// Mumble serves comments.Talk.Mumble.
func (p *TalkPlugin) Mumble(ctx context.Context, req *comments.Word) (*comments.Word, error) {
	return nil, status.Error(status.Unimplemented, commentsparigot.Talk_Mumble_FullName+" is not implemented")
}

// Speak serves comments.Talk.Speak.
//
// 日本語でおk: comments are not only ASCII.
func (p *TalkPlugin) Speak(ctx context.Context, req *comments.Word) (*comments.Word, error) {
	return nil, status.Error(status.Unimplemented, commentsparigot.Talk_Speak_FullName+" is not implemented")
}
