//go:build !wasip1

package queue

import (
	"strings"

	queuev1 "github.com/iansmith/parigot/examples/queue/gen/queue/v1"
	"github.com/iansmith/parigot/pluginsdk/status"
)

// maxName is the length that the name of a queue may have, in bytes.
const maxName = 80

// checkName returns the error InvalidName when no queue may have this name.
func checkName(name string) error {
	switch {
	case name == "":
		return status.Error(queuev1.QueueErr_InvalidName, "the name of the queue is empty")
	case len(name) > maxName:
		return status.Errorf(queuev1.QueueErr_InvalidName, "the name of the queue has %d bytes, at most %d are allowed", len(name), maxName)
	case !isLetter(name[0]):
		return status.Errorf(queuev1.QueueErr_InvalidName, "the name %q of the queue does not start with an ASCII letter", name)
	}
	for i := range len(name) {
		if c := name[i]; !isLetter(c) && (c < '0' || c > '9') && !strings.ContainsRune(".,_-", rune(c)) {
			return status.Errorf(queuev1.QueueErr_InvalidName,
				"the name %q of the queue has something else than ASCII letters, digits, '.', ',', '_' and '-' at byte %d", name, i+1)
		}
	}
	return nil
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
