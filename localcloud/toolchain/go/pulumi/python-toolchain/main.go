// Pulumi's own code that makes and uses the Python environment of a program, as a command for our language host.
//
//	python-toolchain ensure|install|python ROOT FOLDER OPTIONS [ARGUMENT...]
//
// ROOT is the project's, FOLDER the program's, OPTIONS what Pulumi.yaml says below `runtime.options`, as JSON. `ensure` makes
// the environment where there is none, `install` also brings it up to date, `python` becomes its Python.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(verb, root, folder, text string, arguments []string) error {
	options, err := parse(root, folder, text)
	if err != nil {
		return err
	}
	tools, err := toolchain.ResolveToolchain(options)
	if err != nil {
		return err
	}
	ctx := context.Background()
	switch verb {
	case "ensure":
		return tools.EnsureVenv(ctx, folder, false, true, os.Stdout, os.Stdout)
	case "install":
		return tools.InstallDependencies(ctx, folder, false, true, os.Stdout, os.Stdout)
	case "python":
		if err := tools.ValidateVenv(ctx); err != nil {
			return err
		}
		command, err := tools.Command(ctx, arguments...)
		if err != nil {
			return err
		}
		return syscall.Exec(command.Path, command.Args, command.Environ())
	}
	return fmt.Errorf("%q is none of ensure, install, python", verb)
}

func parse(root, folder, text string) (toolchain.PythonOptions, error) {
	var given struct{ Virtualenv, Toolchain string }
	err := json.Unmarshal([]byte(text), &given)
	options := toolchain.PythonOptions{Root: root, ProgramDir: folder, Virtualenv: given.Virtualenv}
	switch given.Toolchain {
	case "":
	case "pip":
		options.Toolchain = toolchain.Pip
	case "poetry":
		options.Toolchain = toolchain.Poetry
	case "uv":
		options.Toolchain = toolchain.Uv
	default:
		err = fmt.Errorf("unsupported toolchain option: %s", given.Toolchain)
	}
	return options, err
}
