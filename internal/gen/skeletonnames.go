package gen

import (
	"go/token"
	"strings"
	"unicode"
)

// packageNameOf makes the name of a Go package of that of a directory.
func packageNameOf(dir string) string {
	name := strings.ToLower(strings.Map(func(r rune) rune {
		if r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, dir))
	switch {
	case strings.Trim(name, "_") == "":
		return ""
	case token.IsKeyword(name):
		return name + "plugin"
	case !token.IsIdentifier(name):
		return "plugin" + name
	}
	return name
}

// skeletonFile returns the name of the file for a service.
func skeletonFile(service string) string {
	stem := "impl_" + snake(service)
	if constrained(stem + ".go") {
		stem += "_service"
	}
	return stem + ".go"
}

// snake returns a CamelCase name in snake_case, "HTTPFile" as "http_file".
func snake(name string) string {
	runes := []rune(name)
	var b strings.Builder
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) && runes[i-1] != '_' {
			next := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if !unicode.IsUpper(runes[i-1]) || next {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
