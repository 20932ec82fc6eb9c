package caddywagateway

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/genfity/wa-gateway/store"
)

// packageView is a package as --json shows it.
type packageView struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Description *string    `json:"description"`
	PriceMonth  int64      `json:"price_month"`
	PriceYear   int64      `json:"price_year"`
	MaxSession  int        `json:"max_session"`
	CreatedAt   *time.Time `json:"created_at"`
	UpdatedAt   *time.Time `json:"updated_at"`
}

func viewPackage(p *store.Package) packageView {
	return packageView{
		ID: p.ID, Name: p.Name, Description: p.Description,
		PriceMonth: p.PriceMonth, PriceYear: p.PriceYear, MaxSession: p.MaxSession,
		CreatedAt: timeOrNil(p.CreatedAt.Time), UpdatedAt: timeOrNil(p.UpdatedAt.Time),
	}
}

func (o *operator) packageCommand() *cobra.Command {
	return asGroup(&cobra.Command{
		Use:   "package",
		Short: "Adds and lists packages, which users subscribe to",
	}, o.packageAdd(), o.packageList())
}

func (o *operator) packageAdd() *cobra.Command {
	var id, description string
	var maxSession, priceMonth, priceYear int64
	var p *store.Package
	cmd := &cobra.Command{
		Use:   "add <name> --max-session <number>",
		Short: "Adds a package",
		Long: `
Adds a package. How many messages its subscribers may send is set in the gateway's
configuration, by the package's name or id; else the limit for all holds.`,
		Example: `  $ caddy wa-gateway package add Basic --max-session 1 --price-month 50000
  $ caddy wa-gateway package add Pro --max-session 10 --price-month 150000 --price-year 1500000`,
		Args: takes("<name>"),
		PreRunE: check(func(args []string) (err error) {
			if err := checkText("name", args[0]); err != nil {
				return err
			}
			if id != "" {
				if err := checkID("--id", id); err != nil {
					return err
				}
			}
			if maxSession < 1 || maxSession > math.MaxInt32 {
				return usagef("--max-session must be a whole number above zero")
			}
			if min(priceMonth, priceYear) < 0 || max(priceMonth, priceYear) > math.MaxInt32 {
				return usagef("--price-month and --price-year must be whole numbers from 0 to %d", math.MaxInt32)
			}
			p = &store.Package{ID: id, Name: args[0], PriceMonth: priceMonth, PriceYear: priceYear, MaxSession: int(maxSession)}
			p.Description, err = optionalText("--description", description)
			return err
		}),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error { return w.addPackage(ctx, p) })),
	}
	cmd.Flags().Int64Var(&maxSession, "max-session", 0, "How many sessions a subscriber may have (required)")
	cmd.Flags().Int64Var(&priceMonth, "price-month", 0, "Price of a month")
	cmd.Flags().Int64Var(&priceYear, "price-year", 0, "Price of a year")
	cmd.Flags().StringVar(&description, "description", "", "Description")
	cmd.Flags().StringVar(&id, "id", "", "Id (default: one is made)")
	return cmd
}

// addPackage refuses a name or id that a package has already: the table allows
// equal names, but nobody could say any more which one is meant.
func (w *work) addPackage(ctx context.Context, p *store.Package) error {
	for _, name := range []string{p.Name, p.ID} {
		if name == "" {
			continue
		}
		known, err := w.db.PackageByName(ctx, name)
		switch {
		case err == nil:
			return fmt.Errorf("there is a package %s already (id %s)", known.Name, known.ID)
		case errors.Is(err, store.ErrConflict):
			return fmt.Errorf("there are packages %s already", name)
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	if err := w.db.AddPackage(ctx, p); err != nil {
		return err
	}
	added, err := w.db.PackageByName(ctx, p.ID)
	if err != nil {
		return err
	}
	w.noteDropped("description", p.Description, added.Description)
	return w.result(viewPackage(added), "Added package %s (id %s).", added.Name, added.ID)
}

func (o *operator) packageList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Lists packages, the newest first",
		Example: "  $ caddy wa-gateway package list",
		Args:    takes(),
		RunE: o.run(o.withDB(func(ctx context.Context, w *work) error {
			packages, err := w.db.Packages(ctx)
			if err != nil {
				return err
			}
			views := make([]packageView, 0, len(packages))
			rows := make([][]string, 0, len(packages))
			for i := range packages {
				v := viewPackage(&packages[i])
				views = append(views, v)
				rows = append(rows, []string{
					v.ID, v.Name, number(v.MaxSession), number(v.PriceMonth), number(v.PriceYear), textOf(v.Description),
				})
			}
			if w.json {
				return w.document(views)
			}
			return w.table("packages", []string{"ID", "NAME", "MAX SESSIONS", "PRICE/MONTH", "PRICE/YEAR", "DESCRIPTION"}, rows)
		})),
	}
}

// findPackage finds a package by name or id, and says what there is instead.
func (w *work) findPackage(ctx context.Context, named string) (*store.Package, error) {
	p, err := w.db.PackageByName(ctx, named)
	switch {
	case errors.Is(err, store.ErrConflict):
		return nil, fmt.Errorf("several packages are named %s: use the id, as 'package list' shows it", quoted(named))
	case errors.Is(err, store.ErrNotFound):
		return nil, fmt.Errorf("there is no package %s: see 'package list'", quoted(named))
	}
	return p, err
}
