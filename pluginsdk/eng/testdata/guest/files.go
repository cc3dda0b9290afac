//go:build wasip1

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// files does what its arguments say, each of which is an operation and its operands,
// and prints what came of it.
func files(args []string) {
	for _, arg := range args {
		f := strings.Fields(arg)
		fmt.Printf("%s: %s\n", arg, file(f[0], f[1:]))
	}
}

func file(operation string, args []string) string {
	switch operation {
	case "read":
		b, err := os.ReadFile(args[0])
		return text(string(b), err)
	case "write":
		return text("done", os.WriteFile(args[0], []byte(args[1]), 0o600))
	case "append":
		f, err := os.OpenFile(args[0], os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return text("", err)
		}
		_, err = f.WriteString(args[1])
		return text("done", errors.Join(err, f.Close()))
	case "grow":
		f, err := os.OpenFile(args[0], os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return text("", err)
		}
		n, _ := strconv.Atoi(args[1])
		_, err = f.Write(make([]byte, n))
		return text("done", errors.Join(err, f.Close()))
	case "list":
		entries, err := os.ReadDir(args[0])
		names := make([]string, len(entries))
		for i, e := range entries {
			names[i] = e.Name()
		}
		return text(strings.Join(names, " "), err)
	case "stat":
		info, err := os.Stat(args[0])
		if err != nil {
			return text("", err)
		}
		return fmt.Sprintf("%d bytes, directory %v", info.Size(), info.IsDir())
	case "mkdir":
		return text("done", os.Mkdir(args[0], 0o700))
	case "remove":
		return text("done", os.Remove(args[0]))
	case "rename":
		return text("done", os.Rename(args[0], args[1]))
	case "truncate":
		return text("done", os.Truncate(args[0], 1))
	case "touch":
		return text("done", os.Chtimes(args[0], time.Unix(1, 0), time.Unix(1, 0)))
	case "symlink":
		return text("done", os.Symlink(args[0], args[1]))
	case "link":
		return text("done", os.Link(args[0], args[1]))
	case "readlink":
		target, err := os.Readlink(args[0])
		return text(target, err)
	case "hoard":
		var open []*os.File
		for {
			f, err := os.Open(args[0])
			if err != nil {
				return fmt.Sprintf("%d open, then %s", len(open), text("", err))
			}
			open = append(open, f)
		}
	}
	return "no such operation"
}

func text(result string, err error) string {
	if err == nil {
		return result
	}
	s := err.Error()
	return s[strings.LastIndex(s, ": ")+2:]
}
