package sqlite

import (
	"context"
	"database/sql/driver"
)

// RegistryVersion counts the changes of the registry; see store.Versions.
func (s *Store) RegistryVersion(ctx context.Context) (version int64, err error) {
	err = s.read(ctx, "read the registry's version", func(c session) error {
		return c.query(ctx, registryVersionSQL, nil, func(row []driver.Value) error {
			n, err := integers(row)
			version = n[0]
			return err
		})
	})
	return version, err
}
