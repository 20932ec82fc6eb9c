// Command gotest runs go test with the arguments given, prints what go test
// prints, and closes with the number of tests that passed, failed and were
// skipped, subtests included. Its exit code is go test's, but a run in which no
// test ran at all has failed, and so has one whose output holds a secret.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	cmd := exec.CommandContext(context.Background(), "go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		return 1
	}
	// Ctrl-C reaches go test by itself; we stay to print what failed. A signal to
	// us alone is passed on.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()

	counts, readErr := report(out, os.Stdout)
	waitErr := cmd.Wait()
	fmt.Printf("tests: %d passed, %d failed, %d skipped\n", counts.passed, counts.failed, counts.skipped)
	for _, leak := range counts.leaks {
		fmt.Fprintf(os.Stderr, "gotest: a secret of a test was printed: %s\n", leak)
	}
	switch {
	case readErr != nil:
		fmt.Fprintln(os.Stderr, "gotest: reading go test's output:", readErr)
		return 1
	case waitErr != nil:
		if code := cmd.ProcessState.ExitCode(); code > 0 {
			return code
		}
		fmt.Fprintln(os.Stderr, "gotest:", waitErr)
		return 1
	case len(counts.leaks) > 0:
		return 1
	case counts.none():
		fmt.Fprintln(os.Stderr, "gotest: no test ran")
		return 1
	}
	return 0
}
