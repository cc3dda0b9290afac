// Package calltest has only tests: they build the golden packages of package
// gen, and call each of their methods from a guest. They are not in package gen
// because they do not compile while a golden file is broken.
package calltest
