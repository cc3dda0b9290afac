package status

import (
	codepb "google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Code is a canonical code, the enum google.rpc.Code. The bridge codes its own
// errors with it, and an implementation may when its service has no error enum
// or none of its values fits.
//
// The numbers and their meaning are those of
// https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto.
type Code = codepb.Code

// The canonical codes, and who in Parigot produces them beside implementations.
const (
	// OK is success. [Error] makes no error of it.
	OK = codepb.Code_OK
	// Cancelled: the caller's context was cancelled.
	Cancelled = codepb.Code_CANCELLED
	// Unknown is what [CodeOf] says of errors without a canonical code.
	Unknown = codepb.Code_UNKNOWN
	// InvalidArgument: the bridge could not decode the request, or the guest
	// named memory that it does not have.
	InvalidArgument = codepb.Code_INVALID_ARGUMENT
	// DeadlineExceeded: the caller's deadline or the call's budget passed.
	DeadlineExceeded = codepb.Code_DEADLINE_EXCEEDED
	// NotFound is for implementations.
	NotFound = codepb.Code_NOT_FOUND
	// AlreadyExists: a function is registered twice.
	AlreadyExists = codepb.Code_ALREADY_EXISTS
	// PermissionDenied is for implementations.
	PermissionDenied = codepb.Code_PERMISSION_DENIED
	// ResourceExhausted: a request or a response is over its size limit.
	ResourceExhausted = codepb.Code_RESOURCE_EXHAUSTED
	// FailedPrecondition: a guest imports what nobody registered, or nothing is
	// parked for a take.
	FailedPrecondition = codepb.Code_FAILED_PRECONDITION
	// Aborted: a guest trapped, or its instance did so before.
	Aborted = codepb.Code_ABORTED
	// OutOfRange: the buffer of a take is too small or outside of the memory.
	OutOfRange = codepb.Code_OUT_OF_RANGE
	// Unimplemented: the method has no implementation.
	Unimplemented = codepb.Code_UNIMPLEMENTED
	// Internal: the implementation panicked or returned an error without a
	// code. The message names the incident under which the host logged it.
	Internal = codepb.Code_INTERNAL
	// Unavailable: the plugin or the engine is gone.
	Unavailable = codepb.Code_UNAVAILABLE
	// DataLoss is for implementations.
	DataLoss = codepb.Code_DATA_LOSS
	// Unauthenticated is for implementations.
	Unauthenticated = codepb.Code_UNAUTHENTICATED
)

// canonicalEnum is the name of the enum whose values are negative on the wire.
const canonicalEnum protoreflect.FullName = "google.rpc.Code"
