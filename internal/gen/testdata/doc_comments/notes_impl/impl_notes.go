//go:build !wasip1

package notes_impl

import (
	"context"

	"github.com/iansmith/parigot/internal/gen/testdata/doc_comments/notes"
	"github.com/iansmith/parigot/internal/gen/testdata/doc_comments/notes/notesparigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// NotesPlugin implements the service doc_comments.Notes.
//
// Notes keeps notes.
//
// One for each name.
//
// And no more.
type NotesPlugin struct {
	notesparigot.UnimplementedNotesServer
}

var _ notesparigot.NotesServer = (*NotesPlugin)(nil)

// ParigotInitialize is the plugin that a host initialises.
var ParigotInitialize pluginsdk.ParigotInit = &NotesPlugin{}

// Init registers a NotesPlugin of its own with e, so that its state belongs to
// that engine alone.
func (*NotesPlugin) Init(ctx context.Context, e eng.Engine) bool {
	return notesparigot.RegisterNotes(ctx, e, &NotesPlugin{}) == nil
}

// Describe says what Init will register. With a configuration, set Config to
// an empty message of its type.
func (*NotesPlugin) Describe() pluginsdk.Description {
	return pluginsdk.Description{Services: []pluginsdk.Service{notesparigot.Notes_ServiceDesc}}
}

// Get serves doc_comments.Notes.Get.
//
// Get gets.
//
// Deprecated: the rpc doc_comments.Notes.Get is marked as deprecated in
// doc_comments/notes.proto.
func (p *NotesPlugin) Get(ctx context.Context, req *notes.Note) (*notes.Note, error) {
	return nil, status.Error(status.Unimplemented, notesparigot.Notes_Get_FullName+" is not implemented")
}

// Old serves doc_comments.Notes.Old.
//
// Old has its own paragraph.
//
// Deprecated: use Get.
//
// It stays for a while
func (p *NotesPlugin) Old(ctx context.Context, req *notes.Note) (*notes.Note, error) {
	return nil, status.Error(status.Unimplemented, notesparigot.Notes_Old_FullName+" is not implemented")
}

// Put serves doc_comments.Notes.Put.
//
// puts a note
func (p *NotesPlugin) Put(ctx context.Context, req *notes.Note) (*notes.Note, error) {
	return nil, status.Error(status.Unimplemented, notesparigot.Notes_Put_FullName+" is not implemented")
}

// Block serves doc_comments.Notes.Block.
//
// Block explains.
//
// with stars
//
//	and code
//
// Deprecated: the rpc doc_comments.Notes.Block is marked as deprecated in
// doc_comments/notes.proto.
func (p *NotesPlugin) Block(ctx context.Context, req *notes.Note) (*notes.Note, error) {
	return nil, status.Error(status.Unimplemented, notesparigot.Notes_Block_FullName+" is not implemented")
}

// Odd serves doc_comments.Notes.Odd.
//
// # Marked
//
//   - a list
//   - of two
//
// No heading, it ends here.
//
// "Quoted" is one
//
// Deprecated: is not the start of the last line, Deprecated: is.
func (p *NotesPlugin) Odd(ctx context.Context, req *notes.Note) (*notes.Note, error) {
	return nil, status.Error(status.Unimplemented, notesparigot.Notes_Odd_FullName+" is not implemented")
}

// Middle serves doc_comments.Notes.Middle.
//
// Once, then
// Deprecated: in the middle of a paragraph.
//
// Deprecated: the rpc doc_comments.Notes.Middle is marked as deprecated in
// doc_comments/notes.proto.
func (p *NotesPlugin) Middle(ctx context.Context, req *notes.Note) (*notes.Note, error) {
	return nil, status.Error(status.Unimplemented, notesparigot.Notes_Middle_FullName+" is not implemented")
}
