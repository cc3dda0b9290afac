package fuel_test

import (
	"encoding/binary"
	"strings"
)

// generator makes valid modules out of bytes: the same out of the same, and nothing but
// zeros when there are no more. A module counts its own steps down in global 0, and traps
// when there are none left, so that it ends without any checks.
type generator struct {
	source []byte
	code   strings.Builder
	types  []signature // of its functions
	f      signature   // that of the function whose body is made
	labels []byte      // the type of the value that a branch takes along, or 0; innermost last
	depth  int
}

type signature struct {
	params string
	result byte
}

// The types of values.
const (
	i32, i64, f64, v128 = 0x7f, 0x7e, 0x7c, 0x7b
	none                = 0
	allTypes            = "\x7f\x7e\x7c\x7b"
)

const (
	functions = 5
	locals    = 3 // of each type, behind the parameters
	steps     = 3000
	tooDeep   = 6
)

func (g *generator) byte() byte {
	if len(g.source) == 0 {
		return 0
	}
	b := g.source[0]
	g.source = g.source[1:]
	return b
}

// below returns a number less than n.
func (g *generator) below(n int) int { return int(g.byte()) % n }

func (g *generator) write(parts ...string) {
	for _, p := range parts {
		g.code.WriteString(p)
	}
}

func (g *generator) anyType() byte { return allTypes[g.below(len(allTypes))] }

func sleb(v int64) string {
	var out []byte
	for v < -64 || v > 63 {
		out = append(out, byte(v)|0x80)
		v >>= 7
	}
	return string(append(out, byte(v)&0x7f))
}

// interesting are operands at the edges of something.
var interesting = []int64{0, 1, -1, 7, 65535, 65536, 65537, 131072, 1 << 20, 5 << 20, 1<<31 - 1, -1 << 31, 1000}

// module returns a module that exports its functions as f0 and so on, its memory, and its
// globals.
func (g *generator) module() []byte {
	types := uleb(functions + 2)
	types += "\x60\x01\x7f\x01\x7f"         // type 0: of the imported function
	types += "\x60\x02\x7f\x7f\x02\x7f\x7f" // type 1: of blocks with parameters
	elements, exports := "", uleb(functions+3)+"\x01m\x02\x00\x01s\x03\x00\x01g\x03\x01"
	for i := range functions {
		s := signature{result: g.anyType()}
		for range g.below(4) {
			s.params += string([]byte{g.anyType()})
		}
		g.types = append(g.types, s)
		types += "\x60" + uleb(len(s.params)) + s.params + "\x01" + string([]byte{s.result})
		elements += uleb(i + 1)
		exports += "\x02f" + string(rune('0'+i)) + "\x00" + uleb(i+1)
	}
	indexes, bodies := new(strings.Builder), new(strings.Builder)
	for i, s := range g.types {
		indexes.WriteString(uleb(i + 2))
		body := g.body(s)
		bodies.WriteString(uleb(len(body)) + body)
	}
	start := ""
	if g.below(4) == 1 { // a function of no parameters, whose result is dropped
		types = uleb(functions+3) + types[1:] + "\x60\x00\x00"
		indexes.WriteString(uleb(functions + 2))
		body := "\x00" + g.constants(g.types[0].params) + "\x10\x01\x1a\x0b"
		bodies.WriteString(uleb(len(body)) + body)
		start = section(8, uleb(functions+1))
	}
	count := uleb(strings.Count(indexes.String(), "") - 1)
	return []byte(preamble +
		section(1, types) +
		section(2, "\x01\x04host\x01f\x00\x00") +
		section(3, count+indexes.String()) +
		section(4, "\x01\x70\x01\x08\x10") +
		section(5, "\x01\x01\x02\x04") +
		section(6, "\x03\x7f\x01\x41"+sleb(steps)+"\x0b\x7e\x01\x42\x05\x0b\x7b\x01\xfd\x0c"+strings.Repeat("\x03", 16)+"\x0b") +
		section(7, exports) + start +
		section(9, "\x02\x00\x41\x01\x0b"+uleb(functions)+elements+"\x01\x00"+uleb(functions)+elements) +
		section(12, "\x02") +
		section(10, count+bodies.String()) +
		section(11, "\x02\x00\x41\x10\x0b\x05hello\x01\x04data"))
}

func (g *generator) constants(types string) (out string) {
	for _, t := range []byte(types) {
		switch t {
		case i32, i64:
			out += string([]byte{map[byte]byte{i32: 0x41, i64: 0x42}[t]}) + sleb(interesting[g.below(len(interesting))])
		case f64:
			out += "\x44" + string(binary.LittleEndian.AppendUint64(nil, uint64(g.byte())<<56|uint64(g.byte())<<48))
		case v128:
			out += "\xfd\x0c" + strings.Repeat(string([]byte{g.byte(), g.byte(), g.byte(), g.byte()}), 4)
		}
	}
	return out
}

// step counts down, and traps when nothing is left.
const step = "\x23\x00\x45\x04\x40\x00\x0b\x23\x00\x41\x01\x6b\x24\x00"

func (g *generator) body(s signature) string {
	g.code.Reset()
	g.f, g.labels, g.depth = s, []byte{s.result}, 0
	g.write("\x05\x03\x7f\x03\x7e\x03\x7c\x03\x7b\x08\x7f", step) // the last are counters of loops
	for range g.below(5) {
		g.statement()
	}
	g.value(s.result)
	g.write("\x0b")
	return g.code.String()
}

// local returns a local variable of a type: one of its own, or a parameter.
func (g *generator) local(t byte) string {
	n := g.below(locals + len(g.f.params))
	if n >= locals && g.f.params[n-locals] == t {
		return uleb(n - locals)
	}
	return uleb(len(g.f.params) + strings.IndexByte(allTypes, t)*locals + n%locals)
}
