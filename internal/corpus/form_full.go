//go:build corpusfull

package corpus

// Form is the name of the set of modules that is linked: quick or full.
const Form = "full"
