package main

import (
	"context"

	callv1 "github.com/iansmith/parigot/bench/call/gen/call/v1"
	knqyfv1 "github.com/iansmith/parigot/bench/call/gen/knqyf/v1"
	plainv1 "github.com/iansmith/parigot/bench/call/gen/plain/v1"
	"github.com/iansmith/parigot/bench/call/work"
)

// The implementations of Send, for each form of the messages.

type callImpl struct{}

func (callImpl) Send(ctx context.Context, req *callv1.SendRequest) (*callv1.SendResponse, error) {
	resp := new(callv1.SendResponse)
	return resp, callImpl{}.SendInto(ctx, req, resp)
}

func (callImpl) SendInto(_ context.Context, req *callv1.SendRequest, resp *callv1.SendResponse) error {
	resp.Id, resp.Payload, resp.Seq, resp.Tags = work.NextID(), req.Payload, req.Seq, req.Tags
	return nil
}

type plainImpl struct{}

func (plainImpl) Send(_ context.Context, req *plainv1.SendRequest) (*plainv1.SendResponse, error) {
	return &plainv1.SendResponse{Id: work.NextID(), Payload: req.Payload, Seq: req.Seq, Tags: req.Tags}, nil
}

type knqyfImpl struct{}

func (knqyfImpl) Send(_ context.Context, req *knqyfv1.SendRequest) (*knqyfv1.SendResponse, error) {
	return &knqyfv1.SendResponse{Id: work.NextID(), Payload: req.Payload, Seq: req.Seq, Tags: req.Tags}, nil
}
