package store

import (
	"context"

	"gorm.io/gorm"
)

// Packages lists all packages, the newest first.
func (t *Transactional) Packages(ctx context.Context) ([]Package, error) {
	var packages []Package
	err := t.read(ctx, func(q *gorm.DB, s *foreignSchema) error {
		packages = nil
		return q.Scopes(s.newest(tablePackages)).Select(s.cols(tablePackages)).Find(&packages).Error
	})
	return packages, failure("list packages", err)
}

// PackageByName finds a package by its id or else its name. Names are not
// unique; two packages of one name are an [ErrConflict], to be told apart by id.
func (t *Transactional) PackageByName(ctx context.Context, nameOrID string) (*Package, error) {
	var found []Package
	err := t.read(ctx, func(q *gorm.DB, s *foreignSchema) error {
		found = nil
		return q.Select(s.cols(tablePackages)).Where(s.col(tablePackages, "id")+" = ?", nameOrID).
			Or(s.col(tablePackages, "name")+" = ?", nameOrID).Limit(3).Find(&found).Error
	})
	if err != nil {
		return nil, failure("look up a package", err)
	}
	for i := range found {
		if found[i].ID == nameOrID {
			return &found[i], nil
		}
	}
	switch len(found) {
	case 0:
		return nil, ErrNotFound
	case 1:
		return &found[0], nil
	default:
		return nil, failure("more than one package has this name; use the id", ErrConflict)
	}
}

// AddPackage adds a package. An empty ID is made up.
func (t *Transactional) AddPackage(ctx context.Context, p *Package) error {
	if p.ID == "" {
		p.ID = NewID()
	}
	p.CreatedAt, p.UpdatedAt = UTC(t.now()), UTC(t.now())
	err := t.tx(ctx, func(q *gorm.DB, s *foreignSchema) error {
		return s.insert(q, tablePackages, p)
	})
	return failure("add a package", err)
}
