//go:build wasip1

// Command guest is a guest of the file service. It sees no file system; all it
// has is the generated client. It writes a file of 1 MiB in pieces, reads it
// back, makes some mistakes on purpose, recognises the error of each, and cleans
// up. It exits with 1 when anything is not as it should be.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"

	filev1 "github.com/iansmith/parigot/examples/file/gen/file/v1"
	"github.com/iansmith/parigot/examples/file/gen/file/v1/filev1parigot"
	"github.com/iansmith/parigot/pluginsdk/parigotpb"
	"github.com/iansmith/parigot/pluginsdk/status"
)

const (
	dir   = "/parigot/app/demo"
	path  = dir + "/megabyte.bin"
	size  = 1 << 20
	piece = 64 << 10
)

func main() {
	g := &guest{files: filev1parigot.NewFileClient(), data: randomBytes()}
	if err := g.run(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "guest: %v\n", err)
		os.Exit(1)
	}
}

// randomBytes returns the same bytes each time, and no two pieces alike, so that
// a piece in the wrong place is found.
func randomBytes() []byte {
	data := make([]byte, size)
	random := rand.NewChaCha8([32]byte{'p', 'a', 'r', 'i', 'g', 'o', 't'})
	_, _ = random.Read(data) // never fails
	return data
}

type guest struct {
	files filev1parigot.FileClient
	data  []byte
	id    *parigotpb.Id // the file that is open
	step  int
}

// run stops at the first step that fails.
func (g *guest) run(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		g.create, g.write, g.openWhileWriting, g.close, g.stat,
		g.readBack, g.readPastEnd, g.readClosed, g.leaveSandbox, g.openMissing,
		g.delete,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (g *guest) create(ctx context.Context) error {
	resp, err := g.files.Create(ctx, &filev1.CreateRequest{Path: path})
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	g.id = resp.GetId()
	g.say("created  %s", path)
	return nil
}

func (g *guest) write(ctx context.Context) error {
	for at := 0; at < size; at += piece {
		_, err := g.files.Write(ctx, &filev1.WriteRequest{Id: g.id, Data: g.data[at : at+piece]})
		if err != nil {
			return fmt.Errorf("write at byte %d: %w", at, err)
		}
	}
	g.say("wrote    %d bytes in %d pieces", size, size/piece)
	return nil
}

func (g *guest) openWhileWriting(ctx context.Context) error {
	_, err := g.files.Open(ctx, &filev1.OpenRequest{Path: path})
	return g.expect("open it again while writing", err, filev1.FileErr_AlreadyInUseError)
}

func (g *guest) close(ctx context.Context) error {
	if _, err := g.files.Close(ctx, &filev1.CloseRequest{Id: g.id}); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	g.say("closed   it")
	return nil
}

func (g *guest) stat(ctx context.Context) error {
	resp, err := g.files.Stat(ctx, &filev1.StatRequest{Path: path})
	if err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	info := resp.GetInfo()
	if info.GetSize() != size || info.GetIsDir() {
		return fmt.Errorf("stat: want a file of %d bytes, got %v", size, info)
	}
	g.say("stat     says %d bytes", info.GetSize())
	return nil
}

// readBack reads to the end and leaves the file open for the steps that follow.
func (g *guest) readBack(ctx context.Context) error {
	resp, err := g.files.Open(ctx, &filev1.OpenRequest{Path: path})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	g.id = resp.GetId()
	var got []byte
	for len(got) < size {
		resp, err := g.files.Read(ctx, &filev1.ReadRequest{Id: g.id, Limit: piece})
		if err != nil {
			return fmt.Errorf("read at byte %d: %w", len(got), err)
		}
		got = append(got, resp.GetData()...)
	}
	if !bytes.Equal(got, g.data) {
		return errors.New("what was read is not what was written")
	}
	g.say("read     %d bytes back: the same", len(got))
	return nil
}

func (g *guest) readPastEnd(ctx context.Context) error {
	_, err := g.files.Read(ctx, &filev1.ReadRequest{Id: g.id})
	return g.expect("read on at the end", err, filev1.FileErr_EOFError)
}

func (g *guest) readClosed(ctx context.Context) error {
	if err := g.close(ctx); err != nil {
		return err
	}
	_, err := g.files.Read(ctx, &filev1.ReadRequest{Id: g.id})
	return g.expect("read from a closed file", err, filev1.FileErr_FileClosedError)
}

func (g *guest) leaveSandbox(ctx context.Context) error {
	_, err := g.files.Open(ctx, &filev1.OpenRequest{Path: "/parigot/app/../../etc/passwd"})
	return g.expect("open a file outside", err, filev1.FileErr_InvalidPathError)
}

func (g *guest) openMissing(ctx context.Context) error {
	_, err := g.files.Open(ctx, &filev1.OpenRequest{Path: dir + "/nothing-here"})
	return g.expect("open what is not there", err, filev1.FileErr_NotExistError)
}

func (g *guest) delete(ctx context.Context) error {
	for _, p := range []string{path, dir} {
		if _, err := g.files.Delete(ctx, &filev1.DeleteRequest{Path: p}); err != nil {
			return fmt.Errorf("delete %s: %w", p, err)
		}
	}
	_, err := g.files.Stat(ctx, &filev1.StatRequest{Path: path})
	if err := want("stat of the deleted file", err, filev1.FileErr_NotExistError); err != nil {
		return err
	}
	g.say("deleted  the file and its directory")
	return nil
}

// expect fails unless err has the given code, and says so when it has.
func (g *guest) expect(what string, err error, code filev1.FileErr) error {
	if err := want(what, err, code); err != nil {
		return err
	}
	g.say("refused  to %s: %v", what, code)
	return nil
}

// want fails unless err has the given code.
func want(what string, err error, code filev1.FileErr) error {
	switch {
	case err == nil:
		return fmt.Errorf("%s: want %v, but it worked", what, code)
	case !errors.Is(err, status.Of(code)):
		return fmt.Errorf("%s: want %v, got %w", what, code, err)
	}
	return nil
}

func (g *guest) say(format string, args ...any) {
	g.step++
	fmt.Printf("  %2d. %s\n", g.step, fmt.Sprintf(format, args...))
}
