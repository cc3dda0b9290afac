package process

import (
	"context"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental/wazerotest"
)

// callModule is what a host function gets for the guest's module in a plugin's process:
// a memory with the request and room for the response. The guest's functions and
// globals are in the host; here it has none.
type callModule struct {
	api.Module // nil: wazero's interfaces can only be implemented by embedding them
	name       string
	memory     wazerotest.Memory
}

func (m *callModule) Name() string   { return "" }
func (m *callModule) String() string { return "module of guest " + m.name }

func (m *callModule) Memory() api.Memory                                             { return &m.memory }
func (m *callModule) ExportedFunction(string) api.Function                           { return nil }
func (m *callModule) ExportedFunctionDefinitions() map[string]api.FunctionDefinition { return nil }
func (m *callModule) ExportedMemory(string) api.Memory                               { return nil }
func (m *callModule) ExportedMemoryDefinitions() map[string]api.MemoryDefinition     { return nil }
func (m *callModule) ExportedGlobal(string) api.Global                               { return nil }
func (m *callModule) CloseWithExitCode(context.Context, uint32) error                { return nil }
func (m *callModule) Close(context.Context) error                                    { return nil }
func (m *callModule) IsClosed() bool                                                 { return false }
