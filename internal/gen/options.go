package gen

import (
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/iansmith/parigot/pluginsdk/parigotpb/optionspb"
)

// Field numbers in descriptor.proto: the options of a file, of a service or an
// enum, and of a method.
const (
	optionsOfFile    = 8
	optionsOfService = 3
	optionsOfMethod  = 4
)

// optionNative is the field number of the option native of a service.
const optionNative = 2

// extensionNumber is the field number of all options of Parigot.
var extensionNumber = int32(optionspb.E_Method.TypeDescriptor().Number())

// checkOptionNumbers reports a copy of parigot/v1/options.proto whose options
// have other numbers than this generator knows: it would ignore all of them.
func checkOptionNumbers(p *problems, files []*protogen.File) {
	for _, file := range files {
		for _, extension := range file.Extensions {
			name, number := extension.Desc.FullName(), extension.Desc.Number()
			if name == optionspb.E_Method.TypeDescriptor().FullName() && int32(number) != extensionNumber {
				p.add(positionOf(extension.Desc), "the option %s has the number %d, but this generator reads %d: copy %s again from the version of Parigot in use",
					name, number, extensionNumber, file.Desc.Path())
			}
		}
	}
}

// reservedModules cannot be modules of a service: a guest's Go runtime or
// Parigot itself imports them.
var reservedModules = map[string]string{
	"env":                    "guests of other languages",
	"wasi_snapshot_preview1": "WASI",
	"go":                     "Go's runtime",
	"gojs":                   "Go's runtime",
	"parigot":                "Parigot",
}

// moduleOf returns the wasm import module of a service.
func moduleOf(p *problems, service protoreflect.ServiceDescriptor) string {
	module, at := string(service.FullName()), positionOf(service)
	if options := serviceOptions(service); options != nil && options.Module != nil {
		at = positionOfOption(service, optionsOfService, extensionNumber, 1)
		module = options.GetModule()
	}
	if why := badWasmName(module); why != "" {
		p.add(at, "the module %q of service %s %s", module, service.FullName(), why)
	}
	if user, ok := reservedModules[module]; ok {
		p.add(at, "the module %q of service %s is reserved for %s; set another with option (parigot.v1.service).module",
			module, service.FullName(), user)
	}
	return module
}

func serviceOptions(service protoreflect.ServiceDescriptor) *optionspb.ServiceOptions {
	if !proto.HasExtension(service.Options(), optionspb.E_Service) {
		return nil
	}
	return proto.GetExtension(service.Options(), optionspb.E_Service).(*optionspb.ServiceOptions)
}

// badWasmName says why a name cannot stand in a go:wasmimport directive, or
// nothing when it can.
func badWasmName(name string) string {
	if name == "" {
		return "is empty"
	}
	if !utf8.ValidString(name) {
		return "is not valid UTF-8"
	}
	for _, r := range name {
		if unicode.IsSpace(r) || !unicode.IsGraphic(r) {
			return "holds a space or a control character"
		}
		if strings.ContainsRune("\"'`\\", r) {
			return "holds a quote or a backslash"
		}
	}
	return ""
}

// funcOf returns the wasm name of a method.
func funcOf(p *problems, method protoreflect.MethodDescriptor) string {
	options := methodOptions(method)
	name := options.GetHostFuncName()
	if name == "" {
		return string(method.Name())
	}
	if why := badWasmName(name); why != "" {
		p.add(positionOfOption(method, optionsOfMethod, extensionNumber, 1),
			"the host_func_name %q of rpc %s %s", name, method.FullName(), why)
	}
	return name
}

func methodOptions(method protoreflect.MethodDescriptor) *optionspb.MethodOptions {
	if !proto.HasExtension(method.Options(), optionspb.E_Method) {
		return nil
	}
	return proto.GetExtension(method.Options(), optionspb.E_Method).(*optionspb.MethodOptions)
}

// budgetOf returns the budget of a method, or 0 when it has none of its own.
func budgetOf(p *problems, method protoreflect.MethodDescriptor) time.Duration {
	budget := methodOptions(method).GetBudget()
	if budget == nil {
		return 0
	}
	at := positionOfOption(method, optionsOfMethod, extensionNumber, 2)
	if err := budget.CheckValid(); err != nil || outOfRange(budget) {
		p.add(at, "the budget of rpc %s is out of range: at most 292 years", method.FullName())
		return 0
	}
	if budget.AsDuration() <= 0 {
		p.add(at, "the budget %s of rpc %s is not above zero", budget.AsDuration(), method.FullName())
		return 0
	}
	return budget.AsDuration()
}

// outOfRange reports whether AsDuration would saturate.
func outOfRange(d *durationpb.Duration) bool {
	seconds := d.GetSeconds()
	return seconds >= math.MaxInt64/int64(time.Second) || seconds <= math.MinInt64/int64(time.Second)
}

// inUnits returns d as a count of the largest unit that divides it.
func inUnits(d time.Duration) (int64, protogen.GoIdent) {
	units := []struct {
		size time.Duration
		name string
	}{
		{time.Hour, "Hour"},
		{time.Minute, "Minute"},
		{time.Second, "Second"},
		{time.Millisecond, "Millisecond"},
		{time.Microsecond, "Microsecond"},
	}
	for _, u := range units {
		if d%u.size == 0 {
			return int64(d / u.size), protogen.GoImportPath("time").Ident(u.name)
		}
	}
	return int64(d), protogen.GoImportPath("time").Ident("Nanosecond")
}

// checkErrorEnums reports negative values of error enums.
func checkErrorEnums(p *problems, enums []*protogen.Enum, messages []*protogen.Message) {
	for _, enum := range enums {
		if isErrorEnum(enum.Desc) {
			checkErrorEnum(p, enum)
		}
	}
	for _, message := range messages {
		checkErrorEnums(p, message.Enums, message.Messages)
	}
}

func isErrorEnum(enum protoreflect.EnumDescriptor) bool {
	if !proto.HasExtension(enum.Options(), optionspb.E_Enum) {
		return false
	}
	return proto.GetExtension(enum.Options(), optionspb.E_Enum).(*optionspb.EnumOptions).GetErrorEnum()
}

func checkErrorEnum(p *problems, enum *protogen.Enum) {
	for _, value := range enum.Values {
		if value.Desc.Number() < 0 {
			p.add(positionOf(value.Desc), "%s = %d: the error enum %s may have no negative value, because negative codes are the bridge's own",
				value.Desc.Name(), value.Desc.Number(), enum.Desc.FullName())
		}
	}
}

// wasmNames finds two methods that would be the same wasm function.
type wasmNames struct {
	problems *problems
	taken    map[[2]string]owner
}

func (w *wasmNames) claimAll(service *serviceView) {
	for _, method := range service.Methods {
		key, by := [2]string{service.Module, method.Func}, ownerOf(method.Desc)
		first, ok := w.taken[key]
		if !ok {
			w.taken[key] = by
			continue
		}
		if after(first.at, by.at) {
			first, by = by, first
		}
		w.problems.add(by.at, "%s and %s (%s) are both the function %q of the wasm module %q",
			by.what, first.what, first.at, key[1], key[0])
	}
}
