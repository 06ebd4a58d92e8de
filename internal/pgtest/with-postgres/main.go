// Command with-postgres runs a command with a private PostgreSQL beside it:
//
//	with-postgres go test ./...
//
// It starts the server, names it to the command in MUSTER_TEST_POSTGRES, and stops it and removes its files when the
// command is over or when it is itself ended, even by SIGKILL. Its exit status is the command's. A server that
// MUSTER_TEST_POSTGRES names already is used as it is.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"muster/internal/pgtest"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: with-postgres COMMAND [ARGUMENT ...]")
		os.Exit(2)
	}
	status, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "with-postgres:", err)
	}
	os.Exit(status)
}

// run returns the exit status for the process; the error is one of the surroundings, not of the command.
func run(arguments []string) (status int, err error) {
	// The first signal ends the command and then, in order, the server. Interrupts from a terminal reach the command
	// by themselves as well, which does no harm.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	environment := os.Environ()
	if os.Getenv(pgtest.EnvURL) == "" {
		cluster, err := pgtest.Start()
		if err != nil {
			return 1, err
		}
		defer func() {
			if stopErr := cluster.Stop(); stopErr != nil {
				status, err = max(status, 1), stopErr
			}
		}()
		environment = append(environment, pgtest.EnvURL+"="+cluster.URL())
	}
	command := exec.CommandContext(ctx, arguments[0], arguments[1:]...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = 30 * time.Second
	command.Env = environment
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = command.Run()
	if exit, failed := errors.AsType[*exec.ExitError](err); failed {
		return max(exit.ExitCode(), 1), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}
