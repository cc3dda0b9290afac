//go:build !wasip1

package method_names_impl

import (
	"context"

	"github.com/iansmith/parigot/internal/gen/testdata/method_names/words"
	"github.com/iansmith/parigot/internal/gen/testdata/method_names/words/wordsparigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// WordsPlugin implements the service method_names.Words.
type WordsPlugin struct {
	wordsparigot.UnimplementedWordsServer
}

var _ wordsparigot.WordsServer = (*WordsPlugin)(nil)

// ParigotInitialize is the plugin that a host initialises.
var ParigotInitialize pluginsdk.ParigotInit = pluginsdk.Described(pluginsdk.InitFunc(initWordsPlugin), describeWordsPlugin)

// initWordsPlugin registers a WordsPlugin of its own with e, so that its state
// belongs to that engine alone. It is no method, because Init is one of the
// service.
func initWordsPlugin(ctx context.Context, e eng.Engine) bool {
	return wordsparigot.RegisterWords(ctx, e, &WordsPlugin{}) == nil
}

// describeWordsPlugin says what initWordsPlugin will register. With a
// configuration, set Config to an empty message of its type. It is no method,
// because Init is one of the service.
func describeWordsPlugin() pluginsdk.Description {
	return pluginsdk.Description{Services: []pluginsdk.Service{wordsparigot.Words_ServiceDesc}}
}

// Import serves method_names.Words.Import.
func (p *WordsPlugin) Import(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Import_FullName+" is not implemented")
}

// Type serves method_names.Words.Type.
func (p *WordsPlugin) Type(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Type_FullName+" is not implemented")
}

// Range serves method_names.Words.Range.
func (p *WordsPlugin) Range(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Range_FullName+" is not implemented")
}

// Func serves method_names.Words.Func.
func (p *WordsPlugin) Func(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Func_FullName+" is not implemented")
}

// Go serves method_names.Words.Go.
func (p *WordsPlugin) Go(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Go_FullName+" is not implemented")
}

// Select serves method_names.Words.Select.
func (p *WordsPlugin) Select(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Select_FullName+" is not implemented")
}

// Close serves method_names.Words.Close.
func (p *WordsPlugin) Close(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Close_FullName+" is not implemented")
}

// Ready serves method_names.Words.Ready.
func (p *WordsPlugin) Ready(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Ready_FullName+" is not implemented")
}

// Init serves method_names.Words.Init.
func (p *WordsPlugin) Init(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Init_FullName+" is not implemented")
}

// String serves method_names.Words.String.
func (p *WordsPlugin) String(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_String_FullName+" is not implemented")
}

// Error serves method_names.Words.Error.
func (p *WordsPlugin) Error(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Error_FullName+" is not implemented")
}

// Context serves method_names.Words.Context.
func (p *WordsPlugin) Context(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Context_FullName+" is not implemented")
}

// Module serves method_names.Words.Module.
func (p *WordsPlugin) Module(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Module_FullName+" is not implemented")
}

// Call serves method_names.Words.Call.
func (p *WordsPlugin) Call(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Call_FullName+" is not implemented")
}

// Impl serves method_names.Words.Impl.
func (p *WordsPlugin) Impl(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Impl_FullName+" is not implemented")
}

// New serves method_names.Words.New.
func (p *WordsPlugin) New(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_New_FullName+" is not implemented")
}

// Register serves method_names.Words.Register.
func (p *WordsPlugin) Register(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Register_FullName+" is not implemented")
}

// Delete serves method_names.Words.Delete.
func (p *WordsPlugin) Delete(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Delete_FullName+" is not implemented")
}

// Panic serves method_names.Words.Panic.
func (p *WordsPlugin) Panic(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Panic_FullName+" is not implemented")
}

// Recover serves method_names.Words.Recover.
func (p *WordsPlugin) Recover(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Recover_FullName+" is not implemented")
}

// Complex serves method_names.Words.Complex.
func (p *WordsPlugin) Complex(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Complex_FullName+" is not implemented")
}

// Append serves method_names.Words.Append.
func (p *WordsPlugin) Append(ctx context.Context, req *words.Word) (*words.Word, error) {
	return nil, status.Error(status.Unimplemented, wordsparigot.Words_Append_FullName+" is not implemented")
}
