// Package old takes an older version of Parigot from git, to measure it beside this one.
package old

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Source puts the files of a commit into dir, and returns where they are. The working directory
// has to be bench.
func Source(ctx context.Context, dir, commit string) (string, error) {
	to, packed := filepath.Join(dir, "old"), filepath.Join(dir, "old.tar")
	if err := os.Mkdir(to, 0o700); err != nil {
		return "", err
	}
	if _, err := Command(ctx, "..", nil, "git", "archive", "-o", packed, commit); err != nil {
		return "", err
	}
	_, err := Command(ctx, "", nil, "tar", "-xf", packed, "-C", to)
	return to, err
}

// Command runs a program in a directory, with more environment, and returns what it prints.
func Command(ctx context.Context, dir string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Env = append(os.Environ(), env...)
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmd, err)
	}
	return text, nil
}
