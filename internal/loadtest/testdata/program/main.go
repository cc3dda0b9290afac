// A Go program, which is no plugin.
package main

func main() {}
