package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	t.Parallel()
	base, here := &version{name: "6b5eaaa", took: map[string][]float64{}}, &version{name: "now", took: map[string][]float64{}}
	run := func(v *version, text string) { require.NoError(t, v.read(strings.NewReader("goos: linux\n"+text))) }
	const optin, plain = "BenchmarkCall/side=optin-trusted/payload=16B-2 100 ", "BenchmarkCall/side=plain-trusted/payload=64KiB-2 10 "
	for range 6 {
		run(base, optin+"2000 ns/op 0 host-allocs/op\n"+optin+"2 ns/op\n"+optin+"9000 ns/op\n"+plain+"20000 ns/op\n")
		run(here, optin+"1800 ns/op 0 host-allocs/op\n"+plain+"22000 ns/op\n")
	}
	require.Equal(t, "| µs | payload | 6b5eaaa | now | ratio |\n|---|--:|--:|--:|--:|\n"+
		"| optin-trusted | 16B | 2.00 | 1.80 | 0.900 (0.900 to 0.900) |\n"+
		"| plain-trusted | 64KiB | 20.00 | 22.00 | **1.100 (1.100 to 1.100)** |\n", table(base, here))
	require.ErrorContains(t, base.read(strings.NewReader("BenchmarkCall/side=a 1\n")), "6b5eaaa:1: ")
}
