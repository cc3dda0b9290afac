package fuel_test

import "strings"

// statement writes code that leaves nothing on the stack.
func (g *generator) statement() {
	g.depth++
	defer func() { g.depth-- }()
	kind := g.below(18)
	if g.depth > tooDeep {
		kind %= 4
	}
	switch kind {
	case 0, 1:
		t := g.anyType()
		g.value(t)
		g.write("\x21", g.local(t))
	case 2:
		g.value(i64)
		g.write("\x24\x01")
	case 3:
		g.value(g.anyType())
		g.write("\x1a")
	case 4:
		g.address()
		t := []byte{i32, i64, v128}[g.below(3)]
		g.value(t)
		g.write(map[byte]string{i32: "\x36\x00", i64: "\x37\x00", v128: "\xfd\x0b\x00"}[t], uleb(g.below(100)))
	case 5, 6:
		g.value(i32)
		g.block("\x04", none)
		if g.below(2) == 0 {
			g.write("\x05")
			g.statement()
		}
		g.end()
	case 7:
		g.block("\x02", none)
		g.branch()
		g.end()
	case 8, 9:
		g.loop()
	case 10:
		g.branch()
	case 11:
		g.bulkMemory()
	case 12:
		g.bulkTable()
	case 13:
		g.value(i32)
		g.value(i32)
		g.write("\x02\x01\x6a\x41\x07\x0b\x1a\x1a") // a block with parameters: it adds them
	case 14:
		g.value(i32)
		g.value(i32)
		g.write("\x03\x01", step, "\x41\x01\x6b\x23\x00\x41\x01\x71\x0d\x00\x0b\x1a\x1a") // a loop with parameters
	case 15:
		g.brTable()
	case 16:
		g.write([]string{"\xfc\x09\x01", "\xfc\x0d\x01", "\x01", "\x3f\x00\x1a"}[g.below(4)])
	case 17: // code that is never reached
		g.write("\x02\x40\x0c\x00")
		g.labels = append(g.labels, none)
		g.statement()
		g.end()
	}
}

// block begins a block with a statement in it. end has to follow.
func (g *generator) block(op string, t byte) {
	g.write(op, map[bool]string{true: "\x40", false: string([]byte{t})}[t == none])
	g.labels = append(g.labels, t)
	g.statement()
}

func (g *generator) end() {
	g.labels = g.labels[:len(g.labels)-1]
	g.write("\x0b")
}

// loop is one that goes round a few times.
func (g *generator) loop() {
	counter := uleb(len(g.f.params) + 4*locals + g.depth)
	g.write("\x41", sleb(int64(g.below(6))), "\x21", counter, "\x03\x40", step)
	g.labels = append(g.labels, none)
	for range g.below(3) {
		g.statement()
	}
	g.write("\x20", counter, "\x41\x01\x6b\x22", counter, "\x41\x00\x4a\x0d\x00")
	g.end()
}

// branch jumps to a block around it on a condition. Code that jumps to a loop goes on by
// its steps alone.
func (g *generator) branch() {
	n := g.below(len(g.labels))
	t := g.labels[len(g.labels)-1-n]
	if t != none {
		g.value(t)
	}
	g.value(i32)
	g.write("\x0d", uleb(n))
	if t != none {
		g.write("\x1a")
	}
}

func (g *generator) brTable() {
	g.write("\x02\x40\x02\x40\x02\x40")
	g.value0(i32)
	g.write("\x0e\x03\x00\x01\x02\x01\x0b")
	g.labels = append(g.labels, none, none)
	g.statement()
	g.labels = g.labels[:len(g.labels)-2]
	g.write("\x0b\x0b")
}

// value0 is value inside of blocks that labels does not know.
func (g *generator) value0(t byte) {
	labels := g.labels
	g.labels = append(append([]byte(nil), labels...), none, none, none)
	g.value(t)
	g.labels = labels
}

func (g *generator) address() {
	if g.below(8) == 0 {
		g.value(i32)
		return
	}
	g.value(i32)
	g.write("\x41" + sleb(16383) + "\x71")
}

func (g *generator) bulkMemory() {
	for range 3 {
		if g.below(4) == 0 {
			g.value(i32)
		} else {
			g.write("\x41", sleb(interesting[g.below(len(interesting))]))
		}
	}
	g.write([]string{"\xfc\x0b\x00", "\xfc\x0a\x00\x00", "\xfc\x08\x01\x00", "\xfc\x0b\x00"}[g.below(4)])
}

func (g *generator) bulkTable() {
	small := func() string { return "\x41" + sleb(int64(g.below(10))) }
	switch g.below(5) {
	case 0:
		g.write(small(), small(), small(), "\xfc\x0e\x00\x00")
	case 1:
		g.write(small(), small(), small(), "\xfc\x0c\x01\x00")
	case 2:
		g.write(small(), "\xd2\x01", small(), "\xfc\x11\x00")
	case 3:
		g.write("\xd0\x70", small(), "\xfc\x0f\x00\x1a")
	case 4:
		g.write(small(), small(), "\x25\x00\x26\x00")
	}
}

// operators take two values of a type and leave one. Those that trap are among them.
var operators = map[byte][]string{
	i32:  {"\x6a", "\x6b", "\x6c", "\x6d", "\x6e", "\x6f", "\x70", "\x71", "\x72", "\x73", "\x74", "\x75", "\x76", "\x77", "\x48", "\x49", "\x46"},
	i64:  {"\x7c", "\x7d", "\x7e", "\x7f", "\x80", "\x81", "\x82", "\x83", "\x84", "\x85", "\x86", "\x87", "\x88", "\x89"},
	f64:  {"\xa0", "\xa1", "\xa2", "\xa3", "\xa4", "\xa5"},
	v128: {"\xfd\x51", "\xfd\x6e", "\xfd\xae\x01", "\xfd\x0e", "\xfd\x0d" + strings.Repeat("\x1f\x00\x10\x0f", 4)},
}

// converters make a value of a type out of another one.
var converters = map[byte][]struct {
	from byte
	op   string
}{
	i32:  {{i64, "\xa7"}, {i64, "\x50"}, {f64, "\xaa"}, {f64, "\xfc\x02"}, {v128, "\xfd\x53"}, {v128, "\xfd\x1b\x02"}, {i32, "\x67"}, {i32, "\x45"}},
	i64:  {{i32, "\xac"}, {i32, "\xad"}, {f64, "\xfc\x06"}, {v128, "\xfd\x1d\x01"}},
	f64:  {{i32, "\xb7"}, {i64, "\xb9"}},
	v128: {{i32, "\xfd\x11"}, {i64, "\xfd\x12"}, {v128, "\xfd\x4d"}},
}

// value writes code that leaves a value of a type on the stack.
func (g *generator) value(t byte) {
	g.depth++
	defer func() { g.depth-- }()
	kind := g.below(12)
	if g.depth > tooDeep {
		kind %= 3
	}
	switch kind {
	case 0:
		g.write(g.constants(string([]byte{t})))
	case 1, 2:
		g.write("\x20", g.local(t))
	case 3, 4:
		g.value(t)
		g.value(t)
		g.write(operators[t][g.below(len(operators[t]))])
	case 5:
		c := converters[t][g.below(len(converters[t]))]
		g.value(c.from)
		g.write(c.op)
	case 6:
		g.address()
		g.write(map[byte]string{i32: "\x28\x00", i64: "\x29\x00", f64: "\x29\x00", v128: "\xfd\x00\x00"}[t], uleb(g.below(100)))
		if t == f64 {
			g.write("\xb9")
		}
	case 7:
		g.value(i32)
		g.block("\x04", t)
		g.value(t)
		g.write("\x05")
		g.value(t)
		g.end()
	case 8:
		g.block("\x02", t)
		g.value(t)
		g.end()
	case 9:
		g.call(t)
	case 10:
		g.value(t)
		g.value(t)
		g.value(i32)
		g.write("\x1b")
	case 11:
		g.other(t)
	}
}

// other is a value that has one type alone.
func (g *generator) other(t byte) {
	switch t {
	case i32:
		g.value(i32)
		g.write([]string{"\x10\x00", "\x40\x00", "\x25\x00\xd1"}[g.below(3)]) // the host, memory.grow, table.get
	case i64:
		g.write("\x23\x01")
	case v128:
		g.write("\x23\x02")
	default:
		g.value(t)
		g.write("\x22", g.local(t))
	}
}

// call calls a function that returns a value of the type, if there is one.
func (g *generator) call(t byte) {
	f := g.below(len(g.types))
	for i := range g.types {
		if s := g.types[(f+i)%len(g.types)]; s.result == t {
			for _, p := range []byte(s.params) {
				g.value(p)
			}
			if g.below(2) == 0 {
				g.write("\x10", uleb((f+i)%len(g.types)+1))
				return
			}
			g.write("\x41", sleb(int64(g.below(10))), "\x11", uleb((f+i)%len(g.types)+2), "\x00")
			return
		}
	}
	g.write(g.constants(string([]byte{t})))
}
