// Command gatehouse is the backend that every product needs before its own first feature. This file is meant to be copied:
// a program of its own passes a Build that wraps app.Standard.
package main

import (
	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/cli"
)

func main() { cli.Main(app.Standard) }
