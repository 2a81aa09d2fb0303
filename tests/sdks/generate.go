// The Go and TypeScript SDKs of a schema, into FOLDER/go and FOLDER/nodejs: by Pulumi's own generators, told what
// `pulumi package add` tells them.
//
//	generate SCHEMA FOLDER
//
// It is run in localcloud/toolchain/go/pulumi, whose lock has the engine, so that both are of one version.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	golang "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// loader finds the schemas of other packages, of which ours names none.
var loader = struct{ schema.ReferenceLoader }{}

var generators = map[string]func(*schema.Package) (map[string][]byte, error){
	"go": func(pkg *schema.Package) (map[string][]byte, error) {
		return golang.GeneratePackage("pulumi", pkg, nil)
	},
	"nodejs": func(pkg *schema.Package) (map[string][]byte, error) {
		return nodejs.GeneratePackage("pulumi", pkg, nil, nil, true, loader)
	},
}

func main() {
	for language := range generators {
		if err := generate(language, os.Args[1], filepath.Join(os.Args[2], language)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func generate(language, file, folder string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal(text, &spec); err != nil {
		return err
	}
	// Once for each language, since generators change names in it.
	pkg, diagnostics, err := schema.BindSpec(spec, loader, schema.ValidationOptions{})
	if err != nil {
		return err
	}
	if len(diagnostics) > 0 { // be they warnings
		return diagnostics
	}
	pkg.SupportPack = true
	files, err := generators[language](pkg)
	if err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
