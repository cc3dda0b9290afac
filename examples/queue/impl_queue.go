//go:build !wasip1

package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/examples/queue/gen/queue/v1/queuev1parigot"
	"github.com/iansmith/parigot/pluginsdk"
	"github.com/iansmith/parigot/pluginsdk/eng"
	"github.com/iansmith/parigot/pluginsdk/id"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

const (
	// maxReceive is how many messages one Receive may ask for.
	maxReceive = 100
	// maxBatch is how many messages one Send, or one MarkDone, may have.
	maxBatch = 1000
)

// QueuePlugin implements queue.v1.Queue: it keeps the queues of one engine in a
// SQLite database.
//
// The zero value is for [QueuePlugin.Init] only, which makes a QueuePlugin of its
// own for each engine; the RPCs of the zero value fail with UNAVAILABLE. All
// methods are safe for concurrent use.
type QueuePlugin struct {
	queuev1parigot.UnimplementedQueueServer

	store *store // nil in the zero value
}

var (
	_ queuev1parigot.QueueServer = (*QueuePlugin)(nil)
	_ pluginsdk.ConfigChecker    = (*QueuePlugin)(nil)
)

// ParigotInitialize is the plugin that a host initialises, with a
// [queuev1.QueueConfig] as its configuration.
var ParigotInitialize pluginsdk.ParigotInit = &QueuePlugin{}

// Init registers a QueuePlugin of its own with e, so that its state belongs to
// that engine alone. It opens the database, makes it when there is none, and
// brings its tables up to date; when e closes, calls that wait are done first. Init
// returns false when the configuration or the database cannot work, or e refuses
// the registration; [pluginsdk.Start] returns the reason.
func (*QueuePlugin) Init(ctx context.Context, e eng.Engine) bool {
	p, err := newQueuePlugin(ctx, e)
	if err != nil {
		return pluginsdk.InitError(e, err)
	}
	if err := queuev1parigot.RegisterQueue(ctx, e, p); err != nil {
		_ = p.store.close(ctx) // the failure to report is the first one
		return false           // the engine has kept why
	}
	e.OnClose(p.store.close)
	return true
}

// Describe says what Init will register and that it reads a [queuev1.QueueConfig].
func (*QueuePlugin) Describe() pluginsdk.Description {
	return pluginsdk.Description{
		Services: []pluginsdk.Service{queuev1parigot.Queue_ServiceDesc},
		Config:   new(queuev1.QueueConfig),
	}
}

// CheckConfig says what is wrong with a configuration, before anything is made or opened.
func (*QueuePlugin) CheckConfig(ctx context.Context) error {
	s, err := readSettings(ctx)
	if err != nil {
		return err
	}
	return s.checkPlace()
}

func readSettings(ctx context.Context) (settings, error) {
	cfg := new(queuev1.QueueConfig)
	if err := pluginsdk.ReadConfig(ctx, cfg); err != nil {
		return settings{}, err
	}
	return newSettings(cfg)
}

// newQueuePlugin makes the QueuePlugin of one engine from the configuration in
// ctx.
func newQueuePlugin(ctx context.Context, e eng.Engine) (*QueuePlugin, error) {
	s, err := readSettings(ctx)
	if err != nil {
		return nil, err
	}
	st, err := openStore(ctx, s, e.Logger())
	if err != nil {
		return nil, err
	}
	return &QueuePlugin{store: st}, nil
}

// CreateQueue makes a queue.
func (p *QueuePlugin) CreateQueue(ctx context.Context, req *queuev1.CreateQueueRequest) (*queuev1.CreateQueueResponse, error) {
	if err := checkName(req.GetQueueName()); err != nil {
		return nil, err
	}
	var queueID queuev1parigot.QueueId
	err := p.grow(ctx, func(ctx context.Context, q *Queries) (err error) {
		queueID, err = p.store.create(ctx, q, req.GetQueueName())
		return err
	})
	if err != nil {
		return nil, err
	}
	return &queuev1.CreateQueueResponse{Id: queueID.Proto()}, nil
}

// Locate finds a queue by its name.
func (p *QueuePlugin) Locate(ctx context.Context, req *queuev1.LocateRequest) (*queuev1.LocateResponse, error) {
	if err := checkName(req.GetQueueName()); err != nil {
		return nil, err
	}
	var queueID queuev1parigot.QueueId
	err := p.read(ctx, func(ctx context.Context, q *Queries) (err error) {
		queueID, err = findQueue(ctx, q, req.GetQueueName())
		return err
	})
	if err != nil {
		return nil, err
	}
	return &queuev1.LocateResponse{Id: queueID.Proto()}, nil
}

// DeleteQueue deletes a queue and its messages.
func (p *QueuePlugin) DeleteQueue(ctx context.Context, req *queuev1.DeleteQueueRequest) (*queuev1.DeleteQueueResponse, error) {
	var name string
	err := p.write(ctx, func(ctx context.Context, q *Queries) (err error) {
		name, err = drop(ctx, q, queuev1parigot.QueueIdFromProto(req.GetId()))
		return err
	})
	if err != nil {
		return nil, err
	}
	p.store.logger.InfoContext(ctx, "queue deleted", "queue", name, "by", eng.CallerFromContext(ctx).Name)
	return new(queuev1.DeleteQueueResponse), nil
}

// Send puts messages into a queue, in their order: all of them, or none.
func (p *QueuePlugin) Send(ctx context.Context, req *queuev1.SendRequest) (*queuev1.SendResponse, error) {
	if p.store == nil {
		return nil, errNotInitialised()
	}
	b, err := p.store.batchOf(ctx, req.GetMsg())
	if err != nil {
		return nil, err
	}
	if err := p.grow(ctx, func(ctx context.Context, q *Queries) error {
		return p.store.insert(ctx, q, queuev1parigot.QueueIdFromProto(req.GetId()), b)
	}); err != nil {
		return nil, err
	}
	resp := new(queuev1.SendResponse)
	for _, m := range b.messages {
		resp.MsgId = append(resp.MsgId, m.id.Proto())
	}
	return resp, nil
}

// Receive takes messages out of sight for the visibility timeout.
func (p *QueuePlugin) Receive(ctx context.Context, req *queuev1.ReceiveRequest) (*queuev1.ReceiveResponse, error) {
	if limit := req.GetLimit(); limit < 1 || limit > maxReceive {
		return nil, status.Errorf(status.InvalidArgument, "the limit is %d, want 1 to %d", limit, maxReceive)
	}
	if p.store == nil {
		return nil, errNotInitialised()
	}
	l := lease{store: p.store, queue: queuev1parigot.QueueIdFromProto(req.GetId()), limit: int64(req.GetLimit())}
	if err := p.write(ctx, l.run); err != nil {
		return nil, err
	}
	if n := len(l.buried); n > 0 {
		p.store.logger.InfoContext(ctx, "messages moved to the dead-letter queue",
			"messages", n, "first", rowIdOf(l.buried[0]).String(), "queue", p.store.deadLetter, "receives", p.store.maxReceives)
	}
	// A bad disk can damage a message, or somebody who writes to the database. The
	// others must not suffer from it, and it may be repaired.
	var damage error
	resp := new(queuev1.ReceiveResponse)
	for _, taken := range l.messages {
		m, err := messageOf(taken.row)
		if err = cmp.Or(taken.damage, err); err != nil {
			damage = pluginsdk.Incident(ctx, queuev1.QueueErr_InternalError,
				fmt.Errorf("row %s is damaged and was not delivered: %w", rowIdOf(taken.row.RowID), err))
			continue
		}
		m.QueueId = req.GetId()
		resp.Msg = append(resp.Msg, m)
	}
	if damage != nil && len(resp.Msg) == 0 {
		return nil, damage
	}
	return resp, nil
}

// messageOf decodes a row, all but the id of its queue.
func messageOf(row ParigotTestMessage) (m *queuev1.QueueMsg, err error) {
	m = &queuev1.QueueMsg{
		MsgId:         &parigotpb.Id{High: uint64(row.IDHigh.Int64), Low: uint64(row.IDLow.Int64)},
		RowId:         rowIdOf(row.RowID).Proto(),
		ReceivedCount: uint32(min(row.ReceivedCount.Int64, 1<<32-1)),
	}
	var errs [4]error
	m.Sender, errs[0] = decodeAny(row.Sender)
	m.Payload, errs[1] = decodeAny(row.Payload)
	m.Sent, errs[2] = timeOf(row.OriginalSent.String)
	m.Received, errs[3] = timeOf(row.FirstReceived.String)
	return m, errors.Join(errs[:]...)
}

// rowIdOf returns what logs and guests call a row.
func rowIdOf(row int64) queuev1parigot.RowId {
	return id.From[queuev1parigot.RowIdKind](0, uint64(row))
}

func timeOf(s string) (*timestamppb.Timestamp, error) {
	t, err := time.Parse(time.RFC3339, s)
	return timestamppb.New(t), err
}

// MarkDone ends the life of messages.
func (p *QueuePlugin) MarkDone(ctx context.Context, req *queuev1.MarkDoneRequest) (*queuev1.MarkDoneResponse, error) {
	if n := len(req.GetMsgId()); n > maxBatch {
		return nil, status.Errorf(status.InvalidArgument, "the request has %d ids, at most %d are allowed", n, maxBatch)
	}
	ids := make([]queuev1parigot.QueueMsgId, len(req.GetMsgId()))
	for i, m := range req.GetMsgId() {
		ids[i] = queuev1parigot.QueueMsgIdFromProto(m)
	}
	var unmodified []queuev1parigot.QueueMsgId
	err := p.write(ctx, func(ctx context.Context, q *Queries) (err error) {
		unmodified, err = p.store.finish(ctx, q, queuev1parigot.QueueIdFromProto(req.GetId()), ids)
		return err
	})
	if err != nil {
		return nil, err
	}
	resp := new(queuev1.MarkDoneResponse)
	for _, m := range unmodified {
		resp.Unmodified = append(resp.Unmodified, &parigotpb.Id{High: m.High(), Low: m.Low()})
	}
	return resp, nil
}

// Length counts the messages that are not done.
func (p *QueuePlugin) Length(ctx context.Context, req *queuev1.LengthRequest) (*queuev1.LengthResponse, error) {
	resp := new(queuev1.LengthResponse)
	err := p.read(ctx, func(ctx context.Context, q *Queries) error {
		key, err := keyOf(ctx, q, queuev1parigot.QueueIdFromProto(req.GetId()))
		if err != nil {
			return err
		}
		if resp.Length, err = q.Length(ctx, key); err != nil {
			return fmt.Errorf("count the messages: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// write does a job that may change the database.
func (p *QueuePlugin) write(ctx context.Context, do func(ctx context.Context, q *Queries) error) error {
	if p.store == nil {
		return errNotInitialised()
	}
	return guestError(ctx, p.store.write(ctx, do))
}

// grow does a job that makes the queues larger.
func (p *QueuePlugin) grow(ctx context.Context, do func(ctx context.Context, q *Queries) error) error {
	if p.store == nil {
		return errNotInitialised()
	}
	return guestError(ctx, p.store.grow(ctx, do))
}

// read does a job that changes nothing.
func (p *QueuePlugin) read(ctx context.Context, do func(ctx context.Context, q *Queries) error) error {
	if p.store == nil {
		return errNotInitialised()
	}
	return guestError(ctx, p.store.read(ctx, do))
}

// guestError makes the error for a guest of one of the database, which is not
// for its eyes.
func guestError(ctx context.Context, err error) error {
	if _, coded := status.From(err); err == nil || coded {
		return err
	}
	if isBusy(err) {
		return status.Wrap(status.Unavailable, err, "another program keeps the host's queues busy")
	}
	return pluginsdk.Incident(ctx, queuev1.QueueErr_InternalError, err)
}

func errNotInitialised() error {
	return status.Error(status.Unavailable, "the queue plugin is not initialised: a host does it with pluginsdk.Start")
}
