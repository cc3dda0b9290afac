package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental/wazerotest"
	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/bench/queue/load"
	"github.com/iansmith/parigot/examples/queue"
	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
)

// guest is the client that is built for wasip1.
type guest struct {
	wasm  []byte
	cache string // the directory that keeps it compiled
}

// database is the file of the plugin.
const database = "queues.db"

// plugin is the queue plugin on an engine of its own, with a queue in it.
type plugin struct {
	*eng.Host
	functions map[string]eng.HostFunc // the bridges of the service's methods
	queue     *parigotpb.Id
}

func openPlugin(ctx context.Context, dir, cache string) (*plugin, error) {
	host, err := eng.New(ctx, eng.WithCacheDir(cache), eng.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	p := &plugin{Host: host, functions: map[string]eng.HostFunc{}}
	config := &queuev1.QueueConfig{Database: filepath.Join(dir, database)}
	created := new(queuev1.CreateQueueResponse)
	err = pluginsdk.Start(ctx, p, queue.ParigotInitialize, pluginsdk.WithConfig(config))
	if err == nil {
		err = newCaller(p.functions).call(ctx, "CreateQueue", &queuev1.CreateQueueRequest{QueueName: load.QueueName}, created)
	}
	if err != nil {
		return nil, errors.Join(err, host.Close(ctx))
	}
	p.queue = created.GetId()
	return p, nil
}

// Register keeps the functions of the plugin, to call them as a guest does.
func (p *plugin) Register(ctx context.Context, m eng.HostModule) error {
	for _, f := range m.Functions {
		p.functions[f.Name] = f.Call
	}
	return p.Host.Register(ctx, m)
}

// openBridge returns clients that call the bridge from native code.
func openBridge(ctx context.Context, dir string, clients int) (*contest, error) {
	p, err := openPlugin(ctx, dir, "")
	if err != nil {
		return nil, err
	}
	c := &contest{close: p.Close}
	for range clients {
		caller := newCaller(p.functions)
		c.clients = append(c.clients, func(ctx context.Context, w load.Work) (int, error) {
			q, err := w.Through(caller, p.queue)
			if err != nil {
				return 0, err
			}
			return w.Run(ctx, q)
		})
	}
	return c, nil
}

// open returns clients that are instances of the guest.
func (g *guest) open(ctx context.Context, dir string, clients int) (*contest, error) {
	p, err := openPlugin(ctx, dir, g.cache)
	if err != nil {
		return nil, err
	}
	c := &contest{close: p.Close}
	compiled, err := p.Compile(ctx, "bench", g.wasm)
	for range clients {
		var i *eng.Instance
		if err == nil {
			i, err = compiled.Instantiate(ctx, eng.WithStderr(os.Stderr))
		}
		c.clients = append(c.clients, func(ctx context.Context, w load.Work) (int, error) { return runGuest(ctx, i, w) })
	}
	if err != nil {
		return nil, errors.Join(err, p.Close(ctx))
	}
	return c, nil
}

func runGuest(ctx context.Context, i *eng.Instance, w load.Work) (int, error) {
	cycle := int32(0)
	if w.Cycle {
		cycle = 1
	}
	result, err := i.Call(ctx, "run", api.EncodeI32(cycle), api.EncodeI32(int32(w.Batch)),
		api.EncodeI32(int32(w.Payload)), api.EncodeI64(int64(w.Time)))
	if err != nil {
		return 0, err
	}
	messages := int64(result[0])
	if messages < 0 {
		return 0, errors.New("the guest failed")
	}
	return int(messages), nil
}

// caller calls the bridge as a guest does, from memory of its own: the request
// lies in its first half, the response in its second.
type caller struct {
	functions map[string]eng.HostFunc
	module    api.Module
	stack     [4]uint64
}

const callerMemory = 8 << 20

func newCaller(functions map[string]eng.HostFunc) *caller {
	return &caller{functions: functions, module: wazerotest.NewModule(wazerotest.NewFixedMemory(callerMemory))}
}

func (c *caller) call(ctx context.Context, method string, req, resp proto.Message) error {
	const half = callerMemory / 2
	memory, _ := c.module.Memory().Read(0, callerMemory)
	encoded, err := proto.MarshalOptions{}.MarshalAppend(memory[:0:half], req)
	if err != nil {
		return err
	}
	c.stack = [4]uint64{0, uint64(len(encoded)), half, half}
	c.functions[method](ctx, c.module, c.stack[:])
	if code := int32(c.stack[0] >> 32); code != 0 {
		return fmt.Errorf("%s: code %d", method, code)
	}
	return proto.Unmarshal(memory[half:half+uint32(c.stack[0])], resp)
}

var _ load.Client = (*caller)(nil)

func (c *caller) Send(ctx context.Context, req *queuev1.SendRequest) (*queuev1.SendResponse, error) {
	resp := new(queuev1.SendResponse)
	return resp, c.call(ctx, "Send", req, resp)
}

func (c *caller) Receive(ctx context.Context, req *queuev1.ReceiveRequest) (*queuev1.ReceiveResponse, error) {
	resp := new(queuev1.ReceiveResponse)
	return resp, c.call(ctx, "Receive", req, resp)
}

func (c *caller) MarkDone(ctx context.Context, req *queuev1.MarkDoneRequest) (*queuev1.MarkDoneResponse, error) {
	resp := new(queuev1.MarkDoneResponse)
	return resp, c.call(ctx, "MarkDone", req, resp)
}
