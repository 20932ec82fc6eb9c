package pgserver

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
)

// programs are those of one version of PostgreSQL.
type programs struct {
	dir string
	// PostgreSQL refuses to run as root: then it gets the user of its package.
	foreign  bool
	uid, gid uint32
}

// places are where distributions put the programs, by version.
var places = []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin"}

func findPrograms() (*programs, error) {
	p := new(programs)
	if os.Geteuid() == 0 {
		if err := p.findUser(); err != nil {
			return nil, err
		}
	}
	for _, place := range places {
		found, err := filepath.Glob(place)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
		for _, dir := range found {
			if complete(dir) {
				p.dir = dir
				return p, nil
			}
		}
	}
	if path, err := exec.LookPath("initdb"); err == nil && complete(filepath.Dir(path)) {
		p.dir = filepath.Dir(path)
		return p, nil
	}
	return nil, errors.New("no PostgreSQL server programs (initdb, postgres) found: install postgresql")
}

func complete(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if _, err := exec.LookPath(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// version is the first number in a path.
func version(path string) int {
	n := 0
	for i := 0; i < len(path); i++ {
		if path[i] >= '0' && path[i] <= '9' {
			n = 10*n + int(path[i]-'0')
		} else if n > 0 {
			break
		}
	}
	return n
}

func (p *programs) findUser() error {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return err
		}
		p.foreign, p.uid, p.gid = true, uint32(uid), uint32(gid)
		return nil
	}
	return errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}
