package caddywagateway

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/store"
)

// The bounds of a completion: somebody waits at the prompt.
const (
	completeTimeout = 2 * time.Second
	completeMost    = 1000
)

// completer finds what may stand as an argument, given those before it.
type completer func(ctx context.Context, db *store.Transactional, args []string) ([]cobra.Completion, error)

// complete completes the arguments of a command from the database, one completer
// for each. Whatever goes wrong, there is nothing to complete.
func (o *operator) complete(completers ...completer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) >= len(completers) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completeTimeout)
		defer cancel()
		c, err := o.load(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		db, err := openTransactional(ctx, c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer db.DB().Close()
		found, err := completers[len(args)](ctx, db, args)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlag completes a flag's value, of those with commas the last, when the
// arguments that the completer wants are there.
func (o *operator) completeFlag(find completer) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		found, directive := o.complete(func(ctx context.Context, db *store.Transactional, _ []string) ([]cobra.Completion, error) {
			return find(ctx, db, args)
		})(cmd, nil, typed)
		before := typed[:strings.LastIndex(typed, ",")+1]
		for i := range found {
			found[i] = before + found[i]
		}
		return found, directive
	}
}

func completeUsers(ctx context.Context, db *store.Transactional, _ []string) ([]cobra.Completion, error) {
	users, err := db.ListUsers(ctx, completeMost, 0)
	found := make([]cobra.Completion, 0, len(users))
	for i := range users {
		found = append(found, describe(users[i].ID, textOf(users[i].Name)))
	}
	return found, err
}

func completeSessions(ctx context.Context, db *store.Transactional, args []string) ([]cobra.Completion, error) {
	sessions, err := db.ListSessions(ctx, args[0], completeMost, 0)
	found := make([]cobra.Completion, 0, len(sessions))
	for i := range sessions {
		found = append(found, describe(sessions[i].SessionID, textOf(sessions[i].SessionName)))
	}
	return found, err
}

func completePackages(ctx context.Context, db *store.Transactional, _ []string) ([]cobra.Completion, error) {
	packages, err := db.Packages(ctx)
	found := make([]cobra.Completion, 0, len(packages))
	for i := range packages {
		found = append(found, describe(packages[i].Name, packages[i].ID))
	}
	return found, err
}

func completeKeys(ctx context.Context, db *store.Transactional, _ []string) ([]cobra.Completion, error) {
	keys, err := db.ListKeys(ctx, "")
	found := make([]cobra.Completion, 0, len(keys))
	for i := range keys {
		if keys[i].RevokedAt == nil {
			found = append(found, describe(keys[i].Prefix, keys[i].UserID+" "+keys[i].Name))
		}
	}
	return found, err
}

// describe is a completion with its description; both go to a terminal.
func describe(value, description string) cobra.Completion {
	if description == "" {
		return printable(value)
	}
	return cobra.CompletionWithDesc(printable(value), printable(description))
}
