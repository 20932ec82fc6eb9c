// Command typecheck type-checks the packages of the module in the parent folder,
// without cgo, for each platform named as GOOS/GOARCH. It needs no compiled
// packages of that platform, and so takes seconds where a build for it takes
// minutes.
package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	failed := false
	for _, platform := range os.Args[1:] {
		errs, err := check(platform)
		if err != nil {
			fmt.Fprintf(os.Stderr, "typecheck %s: %v\n", platform, err)
			os.Exit(1)
		}
		for _, e := range errs {
			fmt.Fprintf(os.Stderr, "%s: %v\n", platform, e)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

func check(platform string) ([]packages.Error, error) {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return nil, fmt.Errorf("not GOOS/GOARCH")
	}
	roots, err := packages.Load(&packages.Config{
		// From source, dependencies and all: export data would have to be compiled.
		Mode: packages.NeedName | packages.NeedImports | packages.NeedDeps | packages.NeedFiles |
			packages.NeedCompiledGoFiles | packages.NeedTypes | packages.NeedTypesSizes |
			packages.NeedSyntax | packages.NeedTypesInfo,
		Dir: "..",
		Env: append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0"),
	}, "./...")
	if err != nil {
		return nil, err
	}
	var errs []packages.Error
	packages.Visit(roots, nil, func(p *packages.Package) { errs = append(errs, p.Errors...) })
	return errs, nil
}
