package gen

import "google.golang.org/protobuf/compiler/protogen"

// initialize is the variable that holds a plugin.
const initialize = "ParigotInitialize"

// pluginView is what the skeleton of a plugin has besides the service's methods, as the
// template sees it.
type pluginView struct {
	*skeletonView
	DescIdent     protogen.GoIdent
	InitFunc      string        // instead of the method Init, which is an rpc
	DescribeFunc  string        // instead of the method Describe, when that or Init is an rpc
	Initialize    []*pluginView // what ParigotInitialize, if it goes here, starts
	InitializeAll bool          // and it is more than one
}

func newPlugin(of *skeletonView, desc protogen.GoIdent) *pluginView {
	view := &pluginView{skeletonView: of, DescIdent: desc}
	for _, method := range of.Methods {
		switch method.GoName {
		case "Init":
			view.InitFunc = "init" + of.Type
			view.DescribeFunc = "describe" + of.Type
		case "Describe":
			view.DescribeFunc = "describe" + of.Type
		}
	}
	return view
}

// initializer returns the expression that ParigotInitialize needs for the
// plugin.
func (v *pluginView) initializer() string {
	text := "&" + v.Type + "{}"
	if v.InitFunc != "" {
		text = "pluginsdk.InitFunc(" + v.InitFunc + ")"
	}
	if v.DescribeFunc != "" {
		text = "pluginsdk.Described(" + text + ", " + v.DescribeFunc + ")"
	}
	return text
}

// InitName returns the name of the function or method that registers the plugin.
func (v *pluginView) InitName() string {
	if v.InitFunc != "" {
		return v.InitFunc
	}
	return "Init"
}

// RPCInTheWay returns the name of the rpc that DescribeFunc makes room for.
func (v *pluginView) RPCInTheWay() string {
	if v.InitFunc != "" {
		return "Init"
	}
	return "Describe"
}

// shareInitialize puts a ParigotInitialize for all new plugins of a run into the first of
// them, because a package has room for one. If there is one, it says what to add.
func (r *skeletonRun) shareInitialize() {
	if r.kind != pluginImpl || len(r.created) == 0 {
		return
	}
	var plugins []*pluginView
	for _, view := range r.created {
		plugins = append(plugins, view.Plugin)
	}
	declared := r.pkg.Declares(initialize)
	if declared == "" {
		plugins[0].Initialize, plugins[0].InitializeAll = plugins, len(plugins) > 1
		return
	}
	for _, plugin := range plugins {
		r.note("%s declares %s: add %s to it", declared, initialize, plugin.initializer())
	}
}
