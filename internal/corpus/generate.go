package corpus

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/iansmith/parigot/internal/gen"
)

// Output is what the generator made of a corpus.
type Output struct {
	// Content holds the files by name: import path, sub-package, base name.
	Content map[string]string

	// Generated are the proto files that have output, and Refused those that
	// the generator will not work on.
	Generated []*File
	Refused   []Refusal

	// Elapsed is how long the request of all files took, without encoding.
	Elapsed time.Duration
}

// Refusal is a proto file that the generator will not work on, and its reason,
// which starts with the place.
type Refusal struct {
	File   *File
	Reason string
}

// maxRefusals ends a run in which a generator refuses without end.
const maxRefusals = 100

// Generate makes the code for all files in one request, with streaming=skip.
// Every second file has hostile comments. A file that is refused is left out
// of the next try. The error is for a request that fails as a whole.
func (c *Corpus) Generate() (*Output, error) {
	out := &Output{Generated: slices.Clone(c.Files)}
	for range maxRefusals {
		start := time.Now()
		content, text, err := generate(c, out.Generated, true)
		if err != nil {
			return nil, err
		}
		out.Elapsed = time.Since(start)
		out.Content = content
		if text == "" {
			return out, nil
		}
		if err := out.leaveOut(c, text); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("still refused after %d tries", maxRefusals)
}

// generate runs the generator once. The text is the error in its response.
func generate(c *Corpus, files []*File, comments bool) (content map[string]string, text string, err error) {
	result, err := gen.Generate(c.Request(files, "streaming=skip", comments), gen.Workspace{})
	if err != nil {
		return nil, "", err
	}
	if _, err := proto.Marshal(result.Response); err != nil {
		return nil, "", fmt.Errorf("the response cannot be encoded: %w", err)
	}
	content = make(map[string]string)
	for _, file := range result.Response.GetFile() {
		if _, ok := content[file.GetName()]; ok {
			return nil, "", fmt.Errorf("%s is in the response twice", file.GetName())
		}
		content[file.GetName()] = file.GetContent()
	}
	return content, result.Response.GetError(), nil
}

// leaveOut moves the files that an error names to those refused.
func (o *Output) leaveOut(c *Corpus, text string) error {
	before := len(o.Refused)
	o.Generated = slices.DeleteFunc(o.Generated, func(file *File) bool {
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, file.Path()+":") {
				o.Refused = append(o.Refused, Refusal{File: file, Reason: c.reason(file, strings.TrimSpace(line))})
				return true
			}
		}
		return false
	})
	if len(o.Refused) == before {
		return errors.New(text)
	}
	return nil
}

// reason asks the generator again why it refuses a file, with positions. It
// returns text where the reason only shows in the company of other files.
func (c *Corpus) reason(file *File, text string) string {
	request := c.Request([]*File{file}, "streaming=skip", false)
	for i, desc := range request.GetProtoFile() {
		if desc.GetName() == file.Path() {
			request.ProtoFile[i] = positioned(desc)
		}
	}
	result, err := gen.Generate(request, gen.Workspace{})
	if err != nil || result.Response.Error == nil {
		return text
	}
	return result.Response.GetError()
}

// GenerateByDirectory makes the code as buf does by default: one request for
// each directory, in an order of files that is the reverse of the usual. It has
// no comments in it; compare with [Corpus.GenerateTogether].
func (o *Output) GenerateByDirectory(c *Corpus) (map[string]string, error) {
	byDir := make(map[string][]*File)
	for _, file := range slices.Backward(o.Generated) {
		dir := path.Dir(file.Path())
		byDir[dir] = append(byDir[dir], file)
	}
	all := make(map[string]string)
	for dir, files := range byDir {
		content, text, err := generate(c.needed(files), files, false)
		if err != nil || text != "" {
			return nil, fmt.Errorf("%s: %s%w", dir, text, err)
		}
		maps.Copy(all, content)
	}
	return all, nil
}

// GenerateTogether makes the code in one request, without source info.
func (o *Output) GenerateTogether(c *Corpus) (map[string]string, error) {
	content, text, err := generate(c, o.Generated, false)
	if err == nil && text != "" {
		err = errors.New(text)
	}
	return content, err
}

// needed returns a corpus of files and of what they import only.
func (c *Corpus) needed(files []*File) *Corpus {
	need := make(map[string]bool)
	for _, file := range files {
		need[file.Path()] = true
	}
	for _, file := range slices.Backward(c.all) {
		if need[file.Path()] {
			for _, imported := range file.Proto.GetDependency() {
				need[imported] = true
			}
		}
	}
	small := &Corpus{Files: files}
	for _, file := range c.all {
		if need[file.Path()] {
			small.all = append(small.all, file)
		}
	}
	return small
}
