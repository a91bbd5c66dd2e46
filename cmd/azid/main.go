// Azid is the command line of package azidentity: it gets tokens, emulates
// Entra ID on this machine and shows that every credential works.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
