package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// User returns a user, active or not.
func (t *Transactional) User(ctx context.Context, id string) (*User, error) {
	return t.userBy(ctx, "id", id)
}

// UserByAPIKey returns the user whose api_key column holds value, active or not.
func (t *Transactional) UserByAPIKey(ctx context.Context, value string) (*User, error) {
	user, err := t.userBy(ctx, "api_key", value)
	if err == nil && (user.APIKey == nil || !sameSecret(*user.APIKey, value)) {
		return nil, ErrNotFound
	}
	return user, err
}

// userBy finds a user by a unique column. Nobody has an empty value there,
// whatever the table says.
func (t *Transactional) userBy(ctx context.Context, column, value string) (*User, error) {
	if value == "" {
		return nil, ErrNotFound
	}
	var user User
	err := t.read(ctx, func(q *gorm.DB, s *foreignSchema) error {
		if !s.has(tableUsers, column) {
			return ErrNotFound
		}
		user = User{}
		err := q.Select(s.cols(tableUsers)).Where(s.col(tableUsers, column)+" = ?", value).Take(&user).Error
		s.fillUsers(&user)
		return err
	})
	if err != nil {
		return nil, failure("look up a user", err)
	}
	return &user, nil
}

// UserBySessionToken returns the user and the login that a token of user_sessions
// stands for, when it is active and not expired by our clock. A caller that
// remembers it must check ExpiresAt again later.
func (t *Transactional) UserBySessionToken(ctx context.Context, token string) (*User, *UserSession, error) {
	if token == "" {
		return nil, nil, ErrNotFound
	}
	var login UserSession
	err := t.read(ctx, func(q *gorm.DB, s *foreignSchema) error {
		if !s.hasTable(tableUserSessions) {
			return ErrNotFound
		}
		login = UserSession{}
		err := q.Select(s.cols(tableUserSessions)).
			Where(s.col(tableUserSessions, "token")+" = ?", token).Take(&login).Error
		if !s.has(tableUserSessions, "is_active") {
			login.IsActive = true
		}
		return err
	})
	if err != nil {
		return nil, nil, failure("look up a login", err)
	}
	if !sameSecret(login.Token, token) || !login.IsActive || !login.ExpiresAt.After(t.now()) {
		return nil, nil, ErrNotFound
	}
	user, err := t.User(ctx, login.UserID)
	if err != nil {
		return nil, nil, err
	}
	login.User = user
	return user, &login, nil
}

// ListUsers lists users, the newest first, limit 0 for all.
func (t *Transactional) ListUsers(ctx context.Context, limit, offset int) ([]User, error) {
	var users []User
	err := t.read(ctx, func(q *gorm.DB, s *foreignSchema) error {
		users = nil
		err := q.Scopes(s.newest(tableUsers), page(limit, offset)).Select(s.cols(tableUsers)).Find(&users).Error
		for i := range users {
			s.fillUsers(&users[i])
		}
		return err
	})
	return users, failure("list users", err)
}

// CreateUser adds a user. An empty ID is made up, an empty Role is "customer". It
// is an [ErrConflict] when the id, email, phone or API key is taken.
func (t *Transactional) CreateUser(ctx context.Context, user *User) error {
	if user.ID == "" {
		user.ID = NewID()
	}
	if user.Role == "" {
		user.Role = "customer"
	}
	user.CreatedAt, user.UpdatedAt = UTC(t.now()), UTC(t.now())
	err := t.tx(ctx, func(q *gorm.DB, s *foreignSchema) error {
		if err := s.insert(q, tableUsers, user); err != nil {
			return err
		}
		return t.db.changed(q, ChangeUser, user.ID)
	})
	return failure("create a user", err)
}

// SetUserActive lets a user in or keeps them out.
func (t *Transactional) SetUserActive(ctx context.Context, id string, active bool) error {
	err := t.tx(ctx, func(q *gorm.DB, s *foreignSchema) error {
		if !s.has(tableUsers, "is_active") {
			return fmt.Errorf("the table %s has no column %s: its users cannot be switched off",
				s.table(tableUsers), s.col(tableUsers, "is_active"))
		}
		done := q.Model(&User{}).Where(s.col(tableUsers, "id")+" = ?", id).
			Updates(s.values(tableUsers, map[string]any{"is_active": active, "updated_at": timeArg(t.now())}))
		if err := oneRow(done); err != nil {
			return err
		}
		return t.db.changed(q, ChangeUser, id)
	})
	return failure("switch a user", err)
}

// fillUsers gives what a missing column stands for.
func (s *foreignSchema) fillUsers(user *User) {
	if !s.has(tableUsers, "role") {
		user.Role = "customer"
	}
	if !s.has(tableUsers, "is_active") {
		user.IsActive = true
	}
}

// userExists says whether the users table has the id.
func (s *foreignSchema) userExists(q *gorm.DB, id string) error {
	var found []string
	err := q.Model(&User{}).Where(s.col(tableUsers, "id")+" = ?", id).Limit(1).Pluck(s.cols(tableUsers)[0], &found).Error
	if err == nil && len(found) == 0 {
		return fmt.Errorf("user: %w", ErrNotFound)
	}
	return err
}

// insert adds a row to a foreign table with the columns that it has; row is one
// of the models, by pointer.
func (s *foreignSchema) insert(q *gorm.DB, table string, row any) error {
	return s.insertable(q, table).Create(row).Error
}

// insertable is for inserting into a foreign table in other ways than insert.
func (s *foreignSchema) insertable(q *gorm.DB, table string) *gorm.DB {
	q = q.Omit(clause.Associations).Select(s.cols(table))
	if err := s.blocker(table); err != nil {
		_ = q.AddError(err)
	}
	return q
}

// values turns logical columns into those that are there, for GORM's Updates.
func (s *foreignSchema) values(table string, logical map[string]any) map[string]any {
	found := make(map[string]any, len(logical))
	for column, value := range logical {
		if s.has(table, column) {
			found[s.tables[table].columnName(column)] = value
		}
	}
	return found
}
