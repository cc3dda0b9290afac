package preflight

import (
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// built is how a program was built, with settings and modules of the test's own.
func built(goVersion string, deps []*debug.Module, settings ...string) *debug.BuildInfo {
	info := &debug.BuildInfo{GoVersion: goVersion, Path: "example.com/greet/plugin", Main: debug.Module{Path: "example.com/greet"}, Deps: deps}
	for i := 0; i < len(settings); i += 2 {
		info.Settings = append(info.Settings, debug.BuildSetting{Key: settings[i], Value: settings[i+1]})
	}
	return info
}

// TestCompare: each difference is a sentence that says what to do, and the command
// mends what a command can.
func TestCompare(t *testing.T) {
	t.Parallel()
	const start = "CGO_ENABLED=1 GOTOOLCHAIN=go1.26.7 "
	const plain = start + "go build -buildmode=plugin example.com/greet/plugin"
	wazero := func(version, sum string) []*debug.Module {
		return []*debug.Module{{Path: "w.io/wazero", Version: version, Sum: sum}}
	}
	host := func(version, sum string) []*debug.Module {
		return []*debug.Module{{Path: "example.com/host", Version: version, Sum: sum}}
	}
	installed := func(version string) *debug.BuildInfo {
		info := built("go1.26.7", nil)
		info.Main = *host(version, "h1:"+version)[0]
		return info
	}
	local := []*debug.Module{{Path: "w.io/wazero", Version: "v1.0.0", Replace: &debug.Module{Path: "../wazero", Version: "(devel)"}}}
	for name, tt := range map[string]struct {
		host, plugin *debug.BuildInfo
		want         string // "" when it fits
		command      string
	}{
		"nothing": {built("go1.26.7", wazero("v1.0.0", "h1:a")), built("go1.26.7", wazero("v1.0.0", "h1:a")), "", ""},
		"toolchain": {
			built("go1.26.7", nil), built("go1.26.8", nil),
			"toolchain: host go1.26.7, plugin go1.26.8: build the plugin with GOTOOLCHAIN=go1.26.7", plain,
		},
		"a toolchain of one's own": {
			built("devel go1.27-0b5c", nil), built("go1.26.8", nil),
			"toolchain: host devel go1.27-0b5c, plugin go1.26.8: build the plugin with GOTOOLCHAIN=local",
			"CGO_ENABLED=1 GOTOOLCHAIN=local go build -buildmode=plugin example.com/greet/plugin",
		},
		"module version": {
			built("go1.26.7", wazero("v1.1.0", "h1:b")), built("go1.26.7", wazero("v1.0.0", "h1:a")),
			"module w.io/wazero: host v1.1.0 (h1:b), plugin v1.0.0 (h1:a): in the plugin's module, go get w.io/wazero@v1.1.0, or build the host with the plugin's version",
			"go get w.io/wazero@v1.1.0 && " + plain,
		},
		"module content": {
			built("go1.26.7", wazero("v1.0.0", "h1:b")), built("go1.26.7", wazero("v1.0.0", "h1:a")),
			"module w.io/wazero: host v1.0.0 (h1:b), plugin v1.0.0 (h1:a): get both from the same module proxy", plain,
		},
		"replaced module": {
			built("go1.26.7", local), built("go1.26.7", wazero("v1.0.0", "h1:a")),
			"module w.io/wazero: host v1.0.0 => ../wazero (devel), plugin v1.0.0 (h1:a): have the same replace directive in both go.mod files", plain,
		},
		"an installed host": {installed("v0.1.0"), built("go1.26.7", host("v0.1.0", "h1:v0.1.0")), "", ""},
		"an installed host of another version": {
			installed("v0.2.0"), built("go1.26.7", host("v0.1.0", "h1:v0.1.0")),
			"module example.com/host: host v0.2.0 (h1:v0.2.0), plugin v0.1.0 (h1:v0.1.0): in the plugin's module, go get example.com/host@v0.2.0, or build the host with the plugin's version",
			"go get example.com/host@v0.2.0 && " + plain,
		},
		"vendored": {
			built("go1.26.7", wazero("v1.0.0", "h1:a")), built("go1.26.7", wazero("v1.0.0", "")),
			"vendor: the plugin's modules are those of its vendor directory, the host's are not: build the plugin with -mod=readonly",
			start + "go build -buildmode=plugin -mod=readonly example.com/greet/plugin",
		},
		"a vendored host": {
			built("go1.26.7", wazero("v1.0.0", "")), built("go1.26.7", wazero("v1.0.0", "h1:a")),
			"vendor: the host's modules are those of its vendor directory, the plugin's are not: build the host with -mod=readonly", plain,
		},
		"-trimpath of the host": {
			built("go1.26.7", nil, "-trimpath", "true"), built("go1.26.7", nil),
			`-trimpath: host "true", plugin "": build the plugin as the host`,
			start + "go build -buildmode=plugin -trimpath example.com/greet/plugin",
		},
		"-trimpath from GOFLAGS": {
			built("go1.26.7", nil), built("go1.26.7", nil, "-trimpath", "true"),
			`-trimpath: host "", plugin "true": build the plugin as the host`,
			start + "go build -buildmode=plugin -trimpath=false example.com/greet/plugin",
		},
		"race": {
			built("go1.26.7", nil, "-race", "true"), built("go1.26.7", nil),
			`-race: host "true", plugin "": build the plugin as the host`,
			start + "go build -buildmode=plugin -race example.com/greet/plugin",
		},
		"GOEXPERIMENT": {
			built("go1.26.7 X:arenas", nil, "GOEXPERIMENT", "arenas"), built("go1.26.7", nil),
			`GOEXPERIMENT: host "arenas", plugin "": build the plugin as the host`,
			start + "GOEXPERIMENT=arenas go build -buildmode=plugin example.com/greet/plugin",
		},
		"GOEXPERIMENT of the plugin": {
			built("go1.26.7", nil), built("go1.26.7 X:arenas", nil, "GOEXPERIMENT", "arenas"),
			`GOEXPERIMENT: host "", plugin "arenas": build the plugin as the host`,
			start + "GOEXPERIMENT=none go build -buildmode=plugin example.com/greet/plugin",
		},
		"GOAMD64": {
			built("go1.26.7", nil, "GOAMD64", "v1"), built("go1.26.7", nil, "GOAMD64", "v3"),
			`GOAMD64: host "v1", plugin "v3": build the plugin as the host`,
			start + "GOAMD64=v1 go build -buildmode=plugin example.com/greet/plugin",
		},
		"another processor": {
			built("go1.26.7", nil, "GOARCH", "amd64"), built("go1.26.7", nil, "GOARCH", "arm64"),
			`GOARCH: host "amd64", plugin "arm64": build the plugin as the host`, plain,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.host.Main.Path, tt.host.Path = "example.com/host", "example.com/host"
			r := compare(tt.host, tt.plugin).refusal(tt.host, tt.plugin)
			if tt.want == "" {
				require.Nil(t, r)
				return
			}
			require.Equal(t, &RefusalError{Differences: []string{tt.want}, Command: tt.command}, r)
			require.EqualError(t, r, "the plugin was not built as this host was:\n  "+tt.want+"\nIn the plugin's module, this builds one that fits:\n  "+tt.command)
		})
	}
}

// TestCompareSoft: what may differ is named when packages do differ, and the command
// takes it away.
func TestCompareSoft(t *testing.T) {
	t.Parallel()
	host := built("go1.26.7", []*debug.Module{{Path: "example.com/greet", Version: "v1.2.3"}}, "-tags", "a,b", "-gcflags", "", "CGO_CFLAGS", "-O1")
	host.Main.Path, host.Path = "example.com/host", "example.com/host/cmd"
	plugin := built("go1.26.7", []*debug.Module{{Path: "example.com/host", Version: "v0.1.0"}}, "-gcflags", "all=-N -l", "CGO_CFLAGS", "-O2")
	d := compare(host, plugin)
	require.Nil(t, d.refusal(host, plugin), "it may load")
	d.differ([]string{"a", "b"})
	r := d.refusal(host, plugin)
	require.Equal(t, []string{
		`-gcflags: host "", plugin "all=-N -l": build the plugin as the host`,
		`-tags: host "a,b", plugin "": build the plugin as the host`,
		`CGO_CFLAGS: host "-O1", plugin "-O2": build the plugin as the host`,
		"module example.com/host: the host was built in a checkout of it, the plugin with v0.1.0: install the host with go install example.com/host/cmd@v0.1.0, or replace the module in the plugin's go.mod with the host's checkout",
		"module example.com/greet: the host was built with v1.2.3, the plugin in a checkout of it: build the host in the checkout too, or the plugin in a module of its own that requires that version",
		"packages that were compiled from other sources or with other flags: a, b",
	}, r.Differences)
	d = compare(host, plugin)
	d.differ(nil)
	require.Nil(t, d.refusal(host, plugin), "it made no difference")
	require.Equal(t, "CGO_ENABLED=1 GOTOOLCHAIN=go1.26.7 go build -buildmode=plugin -tags=a,b -gcflags=all= example.com/greet/plugin", r.Command)
	require.Equal(t, `'-gcflags=all=-N -l'`, quote("-gcflags=all=-N -l"))
	require.Equal(t, `'it'\''s'`, quote("it's"))
	require.Contains(t, describePackages(slices.Repeat([]string{"p"}, 25)), ", p and 20 more")
}

// TestCheckout: a host of a checkout of the SDK takes no plugin that was built with a release of
// it, which is known before the build. The command has the plugin use the checkout.
func TestCheckout(t *testing.T) {
	t.Parallel()
	host := built("go1.26.7", nil)
	host.Main.Path, host.Path = sdk, sdk+"/cmd/parigot"
	release := &debug.Module{Path: sdk, Version: "v0.1.0", Sum: "h1:a"}
	plugin := built("go1.26.7", []*debug.Module{release})
	dir, err := filepath.Abs("../..")
	require.NoError(t, err)
	before := "go mod edit -replace=" + sdk + "=" + dir + " && go mod tidy && "
	if checkoutOf(host.Main) == "" {
		before = "" // these tests are built with -trimpath
	}
	require.Equal(t, before+"CGO_ENABLED=1 GOTOOLCHAIN=go1.26.7 go build -buildmode=plugin example.com/greet/plugin", command(host, plugin))
	require.Equal(t, []string{
		"module " + sdk + ": the host was built in a checkout of it, the plugin with v0.1.0 (h1:a): install the host with go install " + sdk + "/cmd/parigot@v0.1.0, or replace the module in the plugin's go.mod with the host's checkout",
	}, beyondFlags(host, plugin))
	release.Replace = &debug.Module{Path: dir, Version: checkout}
	require.Empty(t, beyondFlags(host, plugin))
	require.Contains(t, compare(host, plugin).soft[0], "build both without -trimpath, and with one checkout")
}
