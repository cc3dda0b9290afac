package gen

import (
	"errors"
	"fmt"
	"io/fs"

	"go.yaml.in/yaml/v3"
)

// refuseClean reports a buf template in the working directory that makes buf
// delete the files that people wrote. A plugin's error makes buf neither
// write nor delete.
func refuseClean(dir fs.FS) error {
	if dir == nil {
		return nil
	}
	for _, name := range []string{"buf.gen.yaml", "buf.gen.yml"} {
		text, err := fs.ReadFile(dir, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		var template struct {
			Clean bool `yaml:"clean"`
		}
		if err := yaml.Unmarshal(text, &template); err != nil {
			return fmt.Errorf("impl: cannot tell whether %s says clean: true: %w", name, err)
		}
		if template.Clean {
			return fmt.Errorf("impl: %s says clean: true, which deletes hand-written files: write clean: false, or give the plugin with impl a template of its own that does not clean", name)
		}
	}
	return nil
}
