package gen

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
)

// guestProgram is the program that serves new implementations, as the template sees it.
type guestProgram struct {
	Services []guestService
}

// guestService is one that the program serves.
type guestService struct {
	*skeletonView
	TypeIdent protogen.GoIdent
}

// newGuestProgram returns the program for implementations in a package.
func newGuestProgram(views []*skeletonView, in protogen.GoImportPath) *guestProgram {
	p := new(guestProgram)
	for _, view := range views {
		p.Services = append(p.Services, guestService{skeletonView: view, TypeIdent: in.Ident(view.Type)})
	}
	return p
}

// FullNames returns the names of the services as a sentence lists them.
func (p *guestProgram) FullNames() string {
	var names []string
	for _, s := range p.Services {
		names = append(names, s.FullName)
	}
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// served returns the services of a file that get an implementation. Native ones get none
// in guests, which cannot serve them: an entry of buf gets all services of a module, so
// that they are left out rather than refused.
func (r *skeletonRun) served(file *fileView) []*serviceView {
	if r.kind != guestImpl {
		return file.Services
	}
	var served []*serviceView
	for _, service := range file.Services {
		if service.IsNative {
			r.native = append(r.native, service.FullName)
		} else {
			served = append(served, service)
		}
	}
	return served
}

// refuseNative reports native services when no service is left.
func (r *skeletonRun) refuseNative(files []*fileView) {
	if len(r.native) == 0 {
		return
	}
	for _, file := range files {
		for _, service := range file.Services {
			at := positionOfOption(service.Desc, optionsOfService, extensionNumber, optionNative)
			r.problems.add(at, "service %s is native, so no guest serves it: delete the option, or write impl=DIR instead of guest_impl=DIR", service.FullName)
		}
	}
}

// noteGuest tells what the author of a guest has to do about new implementations that no
// program was written for, and about services without one.
func (r *skeletonRun) noteGuest(written bool) {
	if r.kind != guestImpl || len(r.created) == 0 {
		return
	}
	for _, name := range r.native {
		r.note("%s is native, so no guest serves it: %s gets no implementation of it", name, r.in)
	}
	if written {
		return
	}
	for _, view := range r.created {
		typ := view.Type
		if r.pkg.Name != "main" {
			typ = r.pkg.Name + "." + typ
		}
		call := fmt.Sprintf("%s.%s(ctx, &%s{})", view.packageName, view.ServeName, typ)
		r.note("nothing serves %s yet: call %s in the main function of a guest, on a goroutine of its own if the guest serves more", view.Type, call)
	}
}
