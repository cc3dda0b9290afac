package corpus

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Failure is something that ought to work and does not.
type Failure struct {
	Module string // of modules.txt, or empty when it is no module's in particular
	Where  string // a file or a step
	Text   string
}

// Row is a line of the scoreboard.
type Row struct {
	Module    string
	Files     int // with services
	Services  int
	Methods   int // that code is generated for
	Streaming int // methods that are left out
	Refused   int // files
	Failed    int // complaints of the compiler and of vet
}

// Board is the scoreboard of a run.
type Board struct {
	Rows     []Row // one for each module, by name
	Total    Row
	Refusals []Refusal
	Failures []Failure

	// Registered is how many services one engine took.
	Registered string

	// Generate is how long the request of all files took, and Build how long
	// everything after it.
	Generate, Build time.Duration
}

// Run generates and compiles the corpus that is linked. Root is the directory
// of the generator's module; the output stays in root/build/corpus for a look
// at it. Vet looks at every nth package, and at none when nth is zero. The error
// is for what keeps the rest from being tried.
func Run(ctx context.Context, root string, nth int) (*Board, error) {
	c, err := Load()
	if err != nil {
		return nil, err
	}
	output, err := c.Generate()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	tree, err := output.Write(root, filepath.Join(root, "build", "corpus", Form))
	if err != nil {
		return nil, err
	}
	board := &Board{Refusals: output.Refused, Generate: output.Elapsed}
	for _, target := range []Target{{}, Wasip1} {
		board.Failures = append(board.Failures, tree.Build(ctx, target)...)
		if nth > 0 {
			board.Failures = append(board.Failures, tree.Vet(ctx, target, nth)...)
		}
	}
	if len(board.Failures) == 0 {
		board.Registered, board.Failures = tree.Register(ctx)
	}
	board.Build = time.Since(start)
	board.count(c, output)
	return board, nil
}

// count fills the rows.
func (b *Board) count(c *Corpus, output *Output) {
	rows := make(map[string]*Row)
	row := func(module string) *Row {
		if rows[module] == nil {
			rows[module] = &Row{Module: module}
		}
		return rows[module]
	}
	for _, file := range c.Files {
		row(file.Module).Files++
	}
	for _, file := range output.Generated {
		row(file.Module).add(file)
	}
	for _, refusal := range output.Refused {
		row(refusal.File.Module).Refused++
	}
	for _, failure := range b.Failures {
		row(failure.Module).Failed++
	}
	b.Total.Module = "total"
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		r := *rows[name]
		b.Rows = append(b.Rows, r)
		b.Total.Files += r.Files
		b.Total.Services += r.Services
		b.Total.Methods += r.Methods
		b.Total.Streaming += r.Streaming
		b.Total.Refused += r.Refused
		b.Total.Failed += r.Failed
	}
}

// add counts a file that code is generated for.
func (r *Row) add(file *File) {
	r.Services += len(file.Proto.GetService())
	for _, service := range file.Proto.GetService() {
		for _, method := range service.GetMethod() {
			if method.GetClientStreaming() || method.GetServerStreaming() {
				r.Streaming++
			} else {
				r.Methods++
			}
		}
	}
}

// String returns the board as text.
func (b *Board) String() string {
	var s strings.Builder
	width := len("module")
	for _, row := range b.Rows {
		width = max(width, len(row.Module))
	}
	line := func(columns ...any) {
		fmt.Fprintf(&s, "%-*s %6v %9v %8v %10v %8v %7v\n", append([]any{width}, columns...)...)
	}
	line("module", "files", "services", "methods", "streaming", "refused", "failed")
	for _, r := range append(slices.Clone(b.Rows), b.Total) {
		line(cmp.Or(r.Module, "(none)"), r.Files, r.Services, r.Methods, r.Streaming, r.Refused, r.Failed)
	}
	fmt.Fprintf(&s, "\nservices registered with one engine: %s\n", b.Registered)
	fmt.Fprintf(&s, "generated in %s, compiled in %s\n",
		b.Generate.Round(time.Millisecond), b.Build.Round(time.Second))
	for _, refusal := range b.Refusals {
		fmt.Fprintf(&s, "refused: %s\n", refusal.Reason)
	}
	for _, failure := range b.Failures {
		fmt.Fprintf(&s, "FAILED: %s:%s\n", failure.Where, failure.Text)
	}
	return s.String()
}

func sortedNames(content map[string]string) []string {
	return slices.Sorted(maps.Keys(content))
}
